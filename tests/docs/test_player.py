"""The player itself: what a page must not get away with. Pages made up here; no Airflow is started."""

import os
import sys
from pathlib import Path

import pytest
from docs_page import Unclosed, read
from docs_player import Player, shows
from docs_terminal import Fault, Terminal


@pytest.fixture
def play(tmp_path):
    """Return a function that plays a page with these lines, and returns its folder."""

    def play(*lines):
        home = tmp_path / "home"
        home.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with Terminal(home, {"HOME": str(home), "PATH": path}) as terminal:
            Player(read("\n".join(lines), "docs/made-up.md"), terminal, tmp_path / "environment", 45678).play()
        return home

    return play


def test_a_block_finds_what_the_one_before_it_exported_and_where_it_went(play):
    play(
        *("```shell", "mkdir below", "cd below", "export WORD=moon", "```"),
        *("```shell", 'test "$WORD" = moon', 'test "${PWD##*/}" = below', "```"),
        *("```python", "import os", "word = os.environ['WORD']", "```"),
        *("```python", "assert word == 'moon'", "```"),
    )


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["```shell", "true", "false", "true", "```"], "it ended with 1"),
        (["```shell", "exit 3 | cat", "```"], "it ended with 3"),
        (["```python", "1 / 0", "```"], "ZeroDivisionError"),
        (["```python", "raise SystemExit", "```"], "SystemExit"),
        (["```python", "def test_it():", "    assert False", "```"], "1 failed"),
        (["```shell", "echo one", "```", "```text", "two", "```"], "what came was\none"),
        (["```python", "print('one')", "```", "", "So:", "", "```text", "two", "```"], "what came was\none"),
        (["```json", "{'one': 1}", "```"], "Expecting property name"),
        (["```ini", "[pagerduty]", "servity = error", "```"], "there is no option servity in \\[pagerduty\\]"),
        (["```ini", "[core]", "parallelisms = 3", "```"], "there is no option parallelisms in \\[core\\]"),
        (["```bash", "true", "```"], "and this is 'bash'"),
        (["```", "true", "```"], "and this is 'nothing'"),
        (["~~~ruby", "true", "~~~"], "and this is 'ruby'"),
        (["1. So:", "   ```zsh", "   true", "   ```"], "and this is 'zsh'"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_a_block_that_does_not_do_what_the_page_says_is_named(play, lines, reason):
    with pytest.raises(Fault, match=rf"docs/made-up.md:\d+: (.|\n)*{reason}"):
        play(*lines)


def test_a_block_that_never_ends_is_named():
    with pytest.raises(Unclosed, match="made-up.md:2"):
        read("\n```shell\ntrue\n", "made-up.md")


def test_a_python_block_is_saved_where_the_sentence_before_it_says(play):
    home = play(
        *("As `dags/a.py`:", "", "```python", "@dag", "```"),
        *("As `c.py` in your DAGs folder:", "", "```python", "@dag", "```"),
        *("A module, `d.py`:", "", "```python", "1 / 0", "```"),
        *("The DAG:", "", "```python", "@dag", "```"),
    )
    saved = {str(path.relative_to(home)) for path in home.rglob("*.py")}
    assert saved == {"dags/a.py", "airflow/dags/c.py", "d.py", "airflow/dags/made-up_block_19.py"}


def test_the_sandboxs_port_is_a_free_one_and_the_page_is_shown_its_own(play):
    play(
        "```shell",
        "echo http://localhost:8765 > place",
        "cat place",
        "```",
        "```text",
        "http://localhost:8765",
        "```",
    )


def test_a_text_in_another_section_is_a_drawing(play):
    play("```shell", "echo one", "```", "## Next", "```text", "two ──▶ three", "```")


def test_what_runs_until_it_is_ended_is_ended_with_its_page(tmp_path):
    with Terminal(tmp_path / ".", {"PATH": os.environ["PATH"]}) as terminal:
        assert terminal.start("sh -c 'echo $$; echo up; sleep 60'", "up").endswith("up\n")
        (process,) = terminal._processes
        assert process.poll() is None
    assert process.returncode is not None


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("one\n", "zero\none\ntwo\n", True),
        ("one\ntwo\n", "one\n\ntwo\n", False),
        ("one\n…\nthree\n", "one\ntwo\ntwo\nthree\n", True),
        ("one\n…\nthree\n", "one\nthree\n", True),
        ("on…e…\n", "on and on, here we are\n", True),
        ("one.\n", "one!\n", False),
        ("one\n", "one and a half\n", False),
        ("one\ntwo\n", "one\n2026-11-23T16:30:02.586Z [info     ] between\ntwo\n", True),
        ("one\ntwo\n", "one\n[2026-11-23T16:30:02.586+0000] {a.py:1} INFO - between\ntwo\n", True),
    ],
)
def test_what_a_page_shows_is_among_what_was_printed(shown, printed, expected):
    assert shows(shown, printed) is expected


def test_headings_have_the_anchors_that_github_gives_them():
    page = read("# A `b`, c & d\n## A [link](x.md)\n## A link\n```text\n# no heading\n```\n", "page.md")
    assert page.anchors == {"a-b-c--d", "a-link", "a-link-1"}
    assert page.links == ["x.md"]
