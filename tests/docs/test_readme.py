"""What the README says in passing is so."""

import re
import subprocess

import pytest
from docs_page import ROOT, pages
from docs_player import NOT_RUN

(README,) = (page for page in pages() if page.name == "README.md")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_that_a_page_names_is_in_the_makefile():
    for page in pages():
        named = set(re.findall(r"`make ([a-z-]+)", (ROOT / page.name).read_text()))
        named |= {
            line.split()[1]
            for block in page.blocks
            for line in block.text.splitlines()
            if _is_make(block, line)
        }
        assert named <= TARGETS, page.name


def _is_make(block, line):
    return block.language == "shell" and line.startswith("make ")


@pytest.mark.parametrize("command", NOT_RUN)
def test_what_is_not_run_stands_on_a_page(command):
    assert any(block.text.strip() == command for block in README.blocks)


def test_make_demo_is_the_command_that_the_real_runs_try():
    command = ["make", "--no-print-directory", "-n", "demo"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.rstrip().endswith("/bin/airflow-pagerduty demo")
    assert '"airflow-pagerduty")), "demo"]' in (ROOT / "tests" / "test_real_runs.py").read_text()
