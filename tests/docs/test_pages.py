"""A stranger who follows a page from its top to its end finds that every block does what the page says."""

import pytest
from docs_page import pages
from docs_terminal import Fault

PAGES = [page for page in pages() if page.blocks]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_page_runs_from_its_top_to_its_end(page, plays):
    fault = plays[page.name].exception()
    if isinstance(fault, Fault):
        pytest.fail(str(fault), pytrace=False)
    if fault:
        raise fault
