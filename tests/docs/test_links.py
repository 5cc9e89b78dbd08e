"""Every link in the docs leads to a file that is there, and to a heading that is in it."""

import pytest
from docs_page import ROOT, pages

PAGES = {(ROOT / page.name).resolve(): page for page in pages()}


@pytest.mark.parametrize("path", PAGES, ids=[page.name for page in PAGES.values()])
def test_every_link_leads_somewhere(path):
    for link in PAGES[path].links:
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        if anchor:
            assert anchor in PAGES[file].anchors, link


@pytest.mark.parametrize("page", PAGES.values(), ids=[page.name for page in PAGES.values()])
def test_every_page_is_reached_from_the_readme(page):
    readme = PAGES[ROOT / "README.md"]
    reached, ways = {"README.md"}, list(readme.links)
    while ways:
        target = ways.pop().partition("#")[0]
        found = next(
            (each for path, each in PAGES.items() if target and path.name == target.rpartition("/")[2]), None
        )
        if found and found.name not in reached:
            reached.add(found.name)
            ways += found.links
    assert page.name in reached
