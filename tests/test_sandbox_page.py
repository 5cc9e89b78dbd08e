"""The sandbox's page, as a real Chromium shows it, and what the page reads."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta, timezone

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.page import routes as page_routes
from airflow_provider_pagerduty.sandbox.page.board import LIMIT
from airflow_provider_pagerduty.sandbox.server import running

KEY = "0123456789abcdefghijklmnopqrstuv"
ACT = {"X-Sandbox": "page", "Content-Type": "application/json"}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da63fcffff3f0005fe02fe"
    "a735818a0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def browser(chromium):
    with chromium(patience=5000) as browser:
        yield browser


@pytest.fixture
def visit(browser):
    """Return a function that opens a page; at the end, none may have complained, opened another or asked."""
    contexts, complaints = [], []
    tolerated = re.compile("(?!)")

    def open_page(url, tolerate=None, **options):
        nonlocal tolerated
        tolerated = re.compile(tolerate) if tolerate else tolerated
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(5000)
        page = context.new_page()
        context.on("page", lambda other: complaints.append(f"opened {other.url}"))
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective))"
        )
        page.goto(url)
        page.wait_for_selector("#connection.live")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if not tolerated.search(each)] == []


def send(sandbox, summary="It broke", severity="critical", action="trigger", dedup_key=None, **more):
    payload = {"summary": summary, "severity": severity, "source": "tests"} | more.pop("payload", {})
    body = {"routing_key": KEY, "event_action": action, "payload": payload, **more}
    answer = httpx.post(
        f"{sandbox.url}/v2/enqueue", json=body | ({"dedup_key": dedup_key} if dedup_key else {})
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["dedup_key"]


def only_incident(sandbox):
    [incident] = sandbox.pagerduty.incidents
    return incident


def shows(locator):
    from playwright.sync_api import expect

    return expect(locator)


def unfold(page, summary="It broke"):
    card = page.locator(".incident", has=page.get_by_role("heading", name=summary))
    card.get_by_text("Details and timeline").click()
    card.locator(".timeline > li").first.wait_for()
    return card


# What is shown


def test_open_incidents_come_first_each_with_its_severity_as_word_and_colour(sandbox, visit):
    for severity in ("info", "warning", "error", "critical"):
        send(sandbox, f"An {severity}", severity, dedup_key=severity)
    send(sandbox, "", action="acknowledge", dedup_key="critical")
    send(sandbox, "", action="resolve", dedup_key="error")
    page = visit(f"{sandbox.url}/#all")
    shows(page.locator(".incident h2")).to_have_text(["An warning", "An info", "An critical", "An error"])
    shows(page.locator(".severity")).to_have_text(["warning", "info", "critical", "error"])
    shows(page.locator(".status")).to_have_text(["Triggered", "Triggered", "Acknowledged", "Resolved"])
    colours = page.locator(".severity").evaluate_all("all => all.map(e => getComputedStyle(e).backgroundColor)")
    assert len(set(colours)) == 4
    shows(page).to_have_title("(3) PagerDuty sandbox")

    page.get_by_role("link", name="Open 3").click()
    shows(page.locator(".incident h2")).to_have_text(["An warning", "An info", "An critical"])
    page.get_by_role("link", name="Resolved 1").click()
    shows(page.locator(".incident h2")).to_have_text(["An error"])


def test_every_event_is_in_the_timeline_and_the_details_are_a_table(sandbox, visit):
    details = {"dag_id": "hourly", "tries": 3, "log": "https://airflow.example/log", "nested": {"a": [1]}}
    send(sandbox, "First", dedup_key="k", payload={"custom_details": {"dag_id": "before"}})
    send(sandbox, "It broke", "error", dedup_key="k", payload={"custom_details": details, "component": "db"})
    send(sandbox, "", action="acknowledge", dedup_key="k")
    me = sandbox.pagerduty.directory.default_user_id
    sandbox.pagerduty.add_note(only_incident(sandbox).id, "On it", me)
    send(sandbox, "", action="acknowledge", dedup_key="k")
    page = visit(sandbox.url)
    card = unfold(page)
    shows(card.locator(".meta")).to_contain_text("Service 1")
    shows(card.locator(".meta")).to_contain_text("1 alert, 4 events")
    entries = card.locator(".timeline > li .what b")
    shows(entries).to_have_text(
        ["Acknowledged", "Note", "Acknowledged", "Triggered again", "Assigned", "Triggered"]
    )
    timeline = card.locator(".timeline > li")
    shows(timeline.nth(0)).to_contain_text("changed nothing")
    shows(timeline.nth(1)).to_contain_text("by On Call")
    shows(timeline.nth(1).locator(".said")).to_have_text("On it")
    shows(timeline.nth(3)).to_contain_text("nobody is notified")
    timeline.nth(5).locator("summary").click()
    shows(timeline.nth(5).locator("td").first).to_have_text("before")
    table = card.get_by_role("table", name="Details").first
    shows(table.get_by_role("rowheader")).to_have_text(["dag_id", "tries", "log", "nested"])
    shows(table.get_by_role("row", name="tries").locator("td")).to_have_text("3")
    assert json.loads(table.locator("pre").inner_text()) == {"a": [1]}
    shows(card.get_by_role("table", name="Alert").get_by_role("row", name="component")).to_contain_text("db")


def test_links_open_apart_and_tell_nothing_of_this_page(sandbox, visit):
    links = [{"href": "https://wiki.example/run?a=1&b=2", "text": "Runbook"}, {"href": "http://plain.example/"}]
    send(sandbox, links=links, client="Airflow", client_url="https://airflow.example/")
    card = unfold(visit(sandbox.url))
    for name, address in (
        ("Runbook", "https://wiki.example/run?a=1&b=2"),
        ("http://plain.example/", "http://plain.example/"),
        ("Airflow", "https://airflow.example/"),
    ):
        link = card.get_by_role("link", name=name, exact=True)
        shows(link).to_have_attribute("href", address)
        shows(link).to_have_attribute("rel", "noopener noreferrer")
        shows(link).to_have_attribute("target", "_blank")
    shows(card.locator(".links")).to_contain_text("wiki.example")


@pytest.mark.parametrize("way", ["click", "Enter"])
def test_a_remote_image_is_asked_for_only_when_somebody_wants_it(sandbox, visit, way):
    image = {"src": "https://img.example/lag.png", "alt": "The lag", "href": "https://grafana.example/"}
    send(sandbox, images=[image], dedup_key="k")
    page = visit(sandbox.url)
    asked = []
    page.context.route(
        "https://img.example/**",
        lambda route: (asked.append(route.request), route.fulfill(body=PIXEL, content_type="image/png")),
    )
    card = unfold(page)
    button = card.get_by_role("button", name="Load image: The lag from img.example")
    shows(button).to_be_visible()
    assert card.locator("img").count() == 0
    assert asked == []
    if way == "click":
        button.click()
    else:
        button.press("Enter")
    shows(card.get_by_role("img", name="The lag")).to_be_visible()
    page.wait_for_function("document.querySelector('.images img').naturalWidth === 1")
    assert [each.url for each in asked] == ["https://img.example/lag.png"]
    assert "referer" not in asked[0].headers
    shows(card.locator("figure a")).to_have_attribute("href", "https://grafana.example/")
    send(sandbox, "It broke more", dedup_key="k", images=[image])
    shows(page.locator("h2")).to_have_text("It broke more")
    shows(card.get_by_role("img", name="The lag")).to_be_visible()


def test_an_incident_made_through_rest_shows_its_urgency_and_what_was_written(sandbox, visit):
    pagerduty = sandbox.pagerduty
    service = pagerduty.declare_key(KEY)
    attributes = {"title": "It broke", "service_id": service.id, "urgency": "low", "details": "By hand"}
    pagerduty.create_incident(attributes, pagerduty.directory.default_user_id)
    card = unfold(visit(sandbox.url))
    shows(card.locator(".severity")).to_have_text("low urgency")
    shows(card.get_by_role("table", name="Incident").get_by_role("row", name="Details")).to_contain_text(
        "By hand"
    )


def test_change_events_have_a_list_of_their_own(sandbox, visit):
    payload = {"summary": "Deployed 1.2", "custom_details": {"commit": "abc"}}
    body = {"routing_key": KEY, "payload": payload, "links": [{"href": "https://git.example/abc"}]}
    assert httpx.post(f"{sandbox.url}/v2/change/enqueue", json=body).status_code == 202
    page = visit(sandbox.url)
    page.get_by_role("link", name="Changes 1").click()
    shows(page.locator("h2")).to_have_text("Deployed 1.2")
    page.locator(".change summary").click()
    shows(page.get_by_role("row", name="commit")).to_contain_text("abc")
    shows(page.get_by_role("link", name="https://git.example/abc")).to_be_visible()


def test_an_empty_page_says_how_to_send_and_its_line_does(sandbox, visit):
    page = visit(sandbox.url)
    shows(page.get_by_text("No incidents yet")).to_be_visible()
    name, _, account = shlex.split(page.locator("#connection-line").inner_text())[1].partition("=")
    assert name == "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT"
    assert json.loads(account) == {"conn_type": "pagerduty_events", "host": sandbox.url, "password": "0" * 32}
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: the line for it is not tried")
    line = page.locator("#curl").inner_text()
    subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=10)
    shows(page.locator("h2")).to_have_text("Hello from the shell")
    shows(page.locator("#nothing")).to_be_hidden()


def test_copying_a_line_copies_it(sandbox, visit):
    page = visit(sandbox.url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the shell line").click()
    shows(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#curl").text_content()


# Acting


def test_buttons_acknowledge_and_resolve(sandbox, visit):
    send(sandbox)
    page = visit(f"{sandbox.url}/#all")
    page.get_by_role("button", name="Acknowledge incident 1").click()
    shows(page.locator(".status")).to_have_text("Acknowledged")
    incident = only_incident(sandbox)
    assert incident.status == "acknowledged"
    assert incident.last_status_change_by == {"type": "user", "id": sandbox.pagerduty.directory.default_user_id}
    page.get_by_role("button", name="Resolve incident 1").click()
    shows(page.locator(".status")).to_have_text("Resolved")
    assert incident.status == "resolved"
    shows(page.locator(".incident button")).to_have_count(0)


def focused(page):
    return page.evaluate("document.activeElement.textContent.trim()")


def tab_to(page, name):
    for _ in range(30):
        page.keyboard.press("Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"{name!r} cannot be reached with Tab")


def test_the_keyboard_does_it_all_and_a_second_enter_resolves_nothing(sandbox, visit):
    send(sandbox, "First")
    send(sandbox, "Second")
    page = visit(sandbox.url)
    shows(page.locator("h2")).to_have_text(["Second", "First"])
    tab_to(page, "Acknowledge incident 2")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    shows(page.locator("h2")).to_have_text(["First", "Second"])
    assert focused(page) == "Acknowledged incident 2"
    page.keyboard.press("Enter")
    tab_to(page, "Resolve incident 2")
    assert sandbox.pagerduty.incident("2").status == "acknowledged"
    page.keyboard.press("Space")
    shows(page.locator("h2")).to_have_text(["First"])
    assert sandbox.pagerduty.incident("2").status == "resolved"
    assert focused(page) == "Details and timeline of incident 1"
    page.keyboard.press("Enter")
    shows(page.locator(".timeline > li")).to_have_count(2)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    shows(page.get_by_text("Nothing is open")).to_be_visible()
    assert focused(page).startswith("Open")


def test_what_cannot_be_done_is_said(sandbox, visit):
    send(sandbox)
    page = visit(sandbox.url, tolerate="409")
    answer = {"error": {"message": "Incident Already Resolved"}}
    page.route("**/resolve", lambda route: route.fulfill(json=answer, status=409))
    page.get_by_role("button", name="Resolve incident 1").click()
    shows(page.locator("#connection")).to_have_text("Incident 1: Incident Already Resolved")
    shows(page.locator(".status")).to_have_text("Triggered")


# By itself


def test_news_appears_by_itself_and_leaves_all_else_as_it_was(sandbox, visit):
    send(sandbox, dedup_key="k", links=[{"href": "https://wiki.example/"}])
    page = visit(sandbox.url)
    page.evaluate("window.unreloaded = true")
    card = unfold(page)
    link = card.get_by_role("link", name="https://wiki.example/", exact=True)
    link.focus()
    send(sandbox, "Another", "warning")
    shows(page.locator("h2")).to_have_text(["Another", "It broke"])
    news = page.locator("#news")
    shows(news).to_have_attribute("role", "status")
    shows(news).to_have_text("New warning: Another")
    shows(page).to_have_title("(2) PagerDuty sandbox")
    send(sandbox, "It broke again", dedup_key="k", links=[{"href": "https://wiki.example/"}])
    shows(page.locator("h2")).to_have_text(["Another", "It broke again"])
    again = page.locator(".incident", has_text="It broke again")
    shows(again.locator(".timeline > li")).to_have_count(3)
    shows(again.get_by_role("link", name="https://wiki.example/", exact=True)).to_be_focused()
    assert page.evaluate("window.unreloaded")


def test_the_page_finds_a_sandbox_again_that_was_away(visit):
    with running(PagerDuty()) as first:
        send(first)
        page = visit(first.url, tolerate="ERR_|Failed to load")
        port = int(first.url.rpartition(":")[2])
        shows(page.locator("h2")).to_have_text("It broke")
    shows(page.locator("#connection")).to_contain_text("trying again")
    with running(PagerDuty(), port=port) as second:
        send(second, "Back")
        shows(page.locator("h2")).to_have_text("Back")
        shows(page.locator("#connection")).to_have_text("Live")


# How it looks

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    " \tjava\nscript:alert(1)",
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "W" * 900,
    "{{7*7}} ${7*7} &lt;b&gt; \x00\u2028",
]


def test_hostile_text_stays_text_wherever_it_stands(sandbox, visit):
    pagerduty = sandbox.pagerduty
    for number, text in enumerate(HOSTILE):
        # Into the account itself too: the API would refuse an image that is not https.
        body = {
            "event_action": "trigger",
            "dedup_key": f"{number} {text}"[:255],
            "client": text,
            "client_url": text,
            "links": [
                {"href": text, "text": text},
                {"href": text},
                {"href": "https://e.example/", "text": text},
            ],
            "images": [
                {"src": text, "href": text, "alt": text},
                {"src": f"https://img.example/{text}", "href": text, "alt": text},
            ],
            "payload": {
                "summary": text,
                "severity": "info",
                "source": text,
                "component": text,
                "custom_details": {text: text, "nested": {text: [text]}, "__proto__": text, "toString": text},
            },
        }
        event = pagerduty.take_event(KEY, body)
        me = pagerduty.directory.default_user_id
        pagerduty.add_note(event.alert.incident.id, text, me)
    pagerduty.update_service(event.service.id, {"name": HOSTILE[0]})
    page = visit(sandbox.url, viewport={"width": 390, "height": 800})
    page.context.route(
        "https://img.example/**", lambda route: route.fulfill(body=PIXEL, content_type="image/png")
    )
    shows(page.locator(".incident")).to_have_count(len(HOSTILE))
    for summary in page.locator(".incident > details > summary").all():
        summary.click()
    shows(page.locator(".timeline")).to_have_count(len(HOSTILE))
    for button in page.get_by_role("button", name=re.compile("^Load image")).all()[::-1]:
        button.click()
    texts = page.locator("h2").evaluate_all("all => all.map(each => each.textContent)")
    assert texts == HOSTILE[::-1]
    notes = page.locator(".said").evaluate_all("all => all.map(each => each.textContent)")
    assert notes == HOSTILE[::-1]
    rows = page.get_by_role("table", name="Details").first.locator("th").all_text_contents()
    assert rows == [HOSTILE[-1], "nested", "__proto__", "toString"]
    addresses = page.locator("main a").evaluate_all("all => all.map(each => each.protocol)")
    assert addresses
    assert set(addresses) <= {"http:", "https:"}
    sources = page.locator("main img").evaluate_all("all => all.map(each => each.src)")
    assert sources
    assert all(each.startswith("https://img.example/") for each in sources)
    assert page.locator("main :is(script, svg, iframe, object, embed, base, style, form)").count() == 0
    names = page.locator("main *").evaluate_all("all => all.flatMap(each => each.getAttributeNames())")
    assert [each for each in names if each.startswith("on") or each == "style"] == []
    assert_nothing_sticks_out(page)


def assert_nothing_sticks_out(page):
    width = page.evaluate("document.documentElement.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    wide = page.locator("main :not(pre):not(.unseen)").evaluate_all(
        "(all, width) => all.filter(e => e.getBoundingClientRect().right > width + 1).map(e => e.className)",
        width,
    )
    assert wide == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_in_one_direction_only(sandbox, visit, width):
    send(sandbox, "It broke", dedup_key="k" * 255, payload={"custom_details": {"k" * 300: "v" * 3000}})
    page = visit(sandbox.url, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
    unfold(page)
    page.get_by_text("How to send an event").click()
    assert_nothing_sticks_out(page)
    heights = page.locator(".actions button").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44


CONTRASTS = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    const colour = channels(getComputedStyle(e).backgroundColor);
    return colour.length === 3 || colour[3] === 1 ? colour : ground(e.parentElement);
  };
  return [...document.body.querySelectorAll('*')]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((e) => e.checkVisibility() && !e.closest('.skip, .unseen, noscript'))
    .map((e) => {
      const [a, b] = [light(channels(getComputedStyle(e).color)), light(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), `${e.className} ${e.textContent}`];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(sandbox, visit, scheme):
    for severity in ("info", "warning", "error", "critical"):
        links = [{"href": "https://wiki.example/", "text": "Wiki"}]
        send(sandbox, f"An {severity}", severity, dedup_key=severity, links=links)
    send(sandbox, "", action="acknowledge", dedup_key="critical")
    send(sandbox, "", action="resolve", dedup_key="error")
    page = visit(f"{sandbox.url}/#all", color_scheme=scheme, reduced_motion="reduce")
    unfold(page, "An critical")
    page.get_by_text("How to send an event").click()
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert [each for each in contrasts if each[0] < 4.5] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 128) == (scheme == "dark")


def test_who_wants_no_motion_sees_none(sandbox, visit):
    page = visit(sandbox.url, reduced_motion="reduce")
    send(sandbox)
    shows(page.locator(".incident.new")).to_have_css("animation-name", "none")


# What the page rests on


def test_no_script_but_the_pages_own_may_run(sandbox, browser):
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(sandbox.url)
        assert (
            page.evaluate("(() => { try { document.body.innerHTML = 'x' } catch (e) { return e.name } })()")
            == "TypeError"
        )
        policy = httpx.get(sandbox.url).headers["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        source = httpx.get(sandbox.url).text
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", source)


@contextmanager
def updates(url):
    """Yield what reads the next bytes of the stream of updates."""
    host, port = url.removeprefix("http://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=5)) as connection:
        connection.sendall(b"GET /sandbox/updates HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        yield lambda: connection.recv(65536)


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_burst_is_told_in_few_updates_and_a_client_that_went_is_forgotten():
    event = {"event_action": "trigger", "payload": {"summary": "It broke", "severity": "info"}}
    with running(PagerDuty()) as sandbox:
        before = sandbox.pagerduty.listeners
        with updates(sandbox.url) as receive:
            told = b""
            while b"data: changed" not in told:
                told += receive()
            assert b"text/event-stream" in told
            assert len(sandbox.pagerduty.listeners) == len(before) + 1
            for _ in range(300):
                sandbox.pagerduty.take_event(KEY, event)
            assert 1 <= receive().count(b"data: changed") < 5
        wait_until(lambda: sandbox.pagerduty.listeners == before)


def test_an_open_page_does_not_hold_up_the_end():
    with ExitStack() as stack:
        sandbox = stack.enter_context(running(PagerDuty()))
        with updates(sandbox.url) as receive:
            assert b"200 OK" in receive()
            started = time.monotonic()
            stack.close()
            assert time.monotonic() - started < 5


def test_an_open_page_does_not_hold_up_ctrl_c_nor_leave_a_complaint_behind():
    command = [sys.executable, "-m", "airflow_provider_pagerduty.cli", "sandbox", "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as server:
        overdue = threading.Timer(30, server.kill)
        overdue.start()
        try:
            url = re.search(r"http://[\w.:]+", server.stdout.readline())[0]
            with updates(url) as receive:
                assert b"200 OK" in receive()
                server.send_signal(signal.SIGINT)
                _, complaints = server.communicate(timeout=10)
            assert complaints == ""
        finally:
            overdue.cancel()
            server.kill()


def test_the_stream_ends_once_the_server_says_that_it_stops():
    pagerduty, stops = PagerDuty(), threading.Event()
    application = Starlette(routes=page_routes(pagerduty))
    application.state.stopping = stops.is_set
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            with updates(f"http://127.0.0.1:{bound.getsockname()[1]}") as receive:
                told = receive()
                stops.set()
                while not told.endswith(b"\r\n0\r\n\r\n"):
                    told += receive()
        finally:
            server.should_exit = True
            thread.join(10)
    assert pagerduty.listeners == []


def test_the_board_holds_a_page_and_the_number_of_the_others(sandbox):
    pagerduty = sandbox.pagerduty
    for number in range(LIMIT + 30):
        payload = {"summary": f"{number}", "severity": "info", "custom_details": {"x": "y" * 100}}
        pagerduty.take_event(KEY, {"event_action": "trigger", "payload": payload})
    board = httpx.get(f"{sandbox.url}/sandbox/board").json()
    assert [each["number"] for each in board["incidents"]] == list(range(LIMIT + 30, 30, -1))
    assert board["more"] == 30
    assert board["counts"] == {"triggered": LIMIT + 30, "acknowledged": 0, "resolved": 0, "changes": 0}
    assert "yyy" not in json.dumps(board)


def test_a_long_timeline_comes_in_parts(sandbox, visit):
    for _ in range(LIMIT + 5):
        body = {
            "event_action": "trigger",
            "dedup_key": "k",
            "payload": {"summary": "It broke", "severity": "info"},
        }
        sandbox.pagerduty.take_event(KEY, body)
    card = unfold(visit(sandbox.url))
    shows(card.locator(".timeline > li")).to_have_count(LIMIT)
    card.get_by_role("button", name="Show older (6)").click()
    shows(card.locator(".timeline > li")).to_have_count(LIMIT + 6)
    shows(card.get_by_role("button", name="Show older")).to_have_count(0)


def test_a_snooze_that_is_over_is_seen_without_any_command():
    present = [datetime(2026, 1, 1, tzinfo=timezone.utc)]
    with running(PagerDuty(clock=lambda: present[0])) as sandbox:
        send(sandbox)
        sandbox.pagerduty.snooze("1", 60, sandbox.pagerduty.directory.default_user_id)
        [card] = httpx.get(f"{sandbox.url}/sandbox/board").json()["incidents"]
        assert card["status"] == "acknowledged"
        present[0] += timedelta(seconds=61)
        [card] = httpx.get(f"{sandbox.url}/sandbox/board").json()["incidents"]
        assert card["status"] == "triggered"


@pytest.mark.parametrize(
    ("headers", "address", "code", "said"),
    [
        ({"Content-Type": "application/json"}, "1/resolve", 403, "X-Sandbox"),
        ({"X-Sandbox": "page", "Content-Type": "text/plain"}, "1/resolve", 415, "text/plain"),
        (ACT, "2/resolve", 404, "'2'"),
        (ACT, "QNONE/acknowledge", 404, "QNONE"),
    ],
)
def test_what_is_not_the_pages_own_act_is_refused(sandbox, headers, address, code, said):
    send(sandbox)
    answer = httpx.post(f"{sandbox.url}/sandbox/incidents/{address}", headers=headers, content="{}")
    assert answer.status_code == code
    assert said in answer.json()["error"]["message"]
    assert only_incident(sandbox).status == "triggered"


def test_a_resolved_incident_cannot_be_acknowledged(sandbox):
    send(sandbox)
    assert httpx.post(f"{sandbox.url}/sandbox/incidents/1/resolve", headers=ACT).json()["status"] == "resolved"
    answer = httpx.post(f"{sandbox.url}/sandbox/incidents/1/acknowledge", headers=ACT)
    assert answer.status_code == 409
    assert answer.json() == {"error": {"message": "Incident Already Resolved"}}


@pytest.mark.parametrize(
    ("address", "code"), [("?show=nonsense", 400), ("/1?limit=-1", 400), ("/1?limit=²", 400), ("/2", 404)]
)
def test_the_board_refuses_what_it_does_not_know(sandbox, address, code):
    send(sandbox)
    assert httpx.get(f"{sandbox.url}/sandbox/board{address}").status_code == code


def test_no_answer_of_the_page_holds_a_key(sandbox):
    send(sandbox)
    body = {"routing_key": KEY, "payload": {"summary": "Deployed"}}
    httpx.post(f"{sandbox.url}/v2/change/enqueue", json=body)
    for path in ("/", "/sandbox/board", "/sandbox/board?show=changes", "/sandbox/board/1"):
        answer = httpx.get(sandbox.url + path)
        assert answer.status_code == 200
        assert KEY not in answer.text
