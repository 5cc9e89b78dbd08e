"""From an incident on the sandbox's page, each link opens the right page of Airflow."""

import pytest
from sites import IS_AIRFLOW_2

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def board(airflow, regions, window):
    """The sandbox's page, once all have paged."""
    titles = ["The load failed", "A shelf is empty", "orders failed"]

    def are_there():
        found = " ".join(each.title for each in regions.us.pagerduty.incidents)
        return all(title in found for title in titles)

    airflow.wait("the DAG's and its tasks' incidents", are_there)
    page = window.new_page()
    page.goto(regions.us.url)
    yield page
    page.close()


def unfold(board, summary):
    card = board.locator(".incident", has=board.get_by_role("heading", name=summary))
    details = card.locator("details").first
    if details.get_attribute("open") is None:
        card.get_by_text("Details and timeline").click()
    card.locator(".timeline > li").first.wait_for()
    return card


@pytest.fixture
def follow(board):
    """Return a function that clicks a link of an incident, and returns the page that this opens."""
    opened = []

    def follow(summary, words):
        link = unfold(board, summary).get_by_role("link", name=words, exact=True).first
        with board.context.expect_page() as other:
            link.click()
        opened.append(other.value)
        return other.value

    yield follow
    for page in opened:
        page.close()


def test_the_log_link_of_a_task_opens_the_log_of_the_try_that_failed(follow):
    page = follow("The load failed", "Task log")
    expect(place_of(page)).to_contain_text(["orders", "the_run", "load"])
    expect(page.get_by_text("ValueError: The warehouse is full, says try 2").first).to_be_visible()
    expect(page.get_by_text("says try 1")).to_have_count(0)


def test_the_log_link_of_a_mapped_task_opens_the_log_of_the_one_that_failed(follow):
    page = follow("A shelf is empty", "Task log")
    expect(place_of(page)).to_contain_text(["orders", "the_run", "count", "1"])
    expect(page.get_by_text("ValueError: Nothing on shelf B").first).to_be_visible()


def test_the_log_link_of_a_failed_run_opens_the_log_of_its_first_failed_task(follow):
    page = follow("orders failed: count[1], load", "Log of count[1]")
    expect(place_of(page)).to_contain_text(["orders", "the_run", "count", "1"])
    expect(page.get_by_text("ValueError: Nothing on shelf B").first).to_be_visible()


@pytest.mark.parametrize("summary", ["The load failed", "orders failed: count[1], load"])
def test_the_run_link_opens_the_run(follow, summary):
    page = follow(summary, "DAG run")
    expect(place_of(page)).to_contain_text(["orders", "the_run"])
    expect(place_of(page)).to_have_count(2)
    if IS_AIRFLOW_2:
        expect(page.get_by_role("row", name="Run ID the_run")).to_be_visible()
    else:
        expect(page.get_by_role("heading", name="3 Task Instances")).to_be_visible()


@pytest.mark.parametrize("summary", ["The load failed", "orders failed: count[1], load"])
def test_the_link_of_the_sender_opens_the_dag(follow, summary):
    page = follow(summary, "Apache Airflow")
    expect(place_of(page)).to_contain_text(["orders"])
    expect(place_of(page)).to_have_count(1)


def expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def place_of(page):
    """Return where in Airflow a page is: its DAG, run, task, and the mapped one's index."""
    return page.get_by_role("navigation", name="breadcrumb").get_by_role("listitem")
