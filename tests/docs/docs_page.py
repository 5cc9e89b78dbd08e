"""A page of Markdown as its reader has it: blocks in their order, headings, links. Nothing is run here."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(?P<indent> *)(?P<mark>```+|~~~+)(?P<language>.*)$")
_HEADING = re.compile(r"^#{1,6} (.*)$")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    :param line: where its first line stands in the page, counted from 1.
    :param before: what is said between the block before it and this one.
    :param opens_section: whether a heading stands in between.
    """

    language: str
    text: str
    line: int
    before: str
    opens_section: bool

    @property
    def file(self) -> str | None:
        """The Python file that the sentence right before the block says it is, if that says so."""
        named = re.findall(r"`([\w./-]+\.py)`", self.before.rstrip().rpartition("\n\n")[2])
        return named[-1] if named and self.language == "python" else None

    @property
    def is_dag(self) -> bool:
        return self.language == "python" and bool(
            re.search(r"^@dag\b|\bDAG\(|\brelay_dag\(", self.text, re.MULTILINE)
        )

    @property
    def is_test(self) -> bool:
        return self.language == "python" and bool(re.search(r"^def test_", self.text, re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Page:
    """A page's name, from the repository's root, and what it holds."""

    name: str
    blocks: list[Block] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)


class Unclosed(ValueError):
    """A fence opens, and the page ends."""


def read(text: str, name: str) -> Page:
    """Take a page apart."""
    page = Page(name)
    prose: list[str] = []
    opens_section = False
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            prose.append(line)
            if heading := _HEADING.match(line):
                page.anchors.add(_anchor(heading[1], page.anchors))
                opens_section = True
            continue
        inside = list(_until(fence, lines, f"{name}:{number}"))
        before = "\n".join(prose)
        page.links.extend(_LINK.findall(before))
        page.blocks.append(Block(fence["language"].strip(), "".join(inside), number + 1, before, opens_section))
        prose, opens_section = [], False
    page.links.extend(_LINK.findall("\n".join(prose)))
    return page


def _until(fence, lines, where):
    """Yield the lines up to the one that closes a fence, without its indent."""
    for _, line in lines:
        if line.strip() == fence["mark"]:
            return
        yield line.removeprefix(fence["indent"]) + "\n"
    raise Unclosed(f"{where}: the block that begins here never ends")


def _anchor(heading: str, taken: set[str]) -> str:
    """Return a heading's anchor, as GitHub makes it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
    others = sum(
        each == anchor or re.fullmatch(rf"{re.escape(anchor)}-\d+", each) is not None for each in taken
    )
    return f"{anchor}-{others}" if others else anchor


def pages() -> list[Page]:
    """Return the README and every page below docs: a new one is there by being written."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [read(path.read_text(), str(path.relative_to(ROOT))) for path in paths]
