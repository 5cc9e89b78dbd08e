"""What is in the wheel and in the source distribution."""

import ast
import re
import shutil
import subprocess
import sys
import tarfile
from collections import defaultdict
from importlib.metadata import PathDistribution
from pathlib import PurePosixPath
from zipfile import Path as PathInZip

import pytest
from distribution import CHECKOUT, NAME, PACKAGE, build, contents

import airflow_provider_pagerduty

VERSION = airflow_provider_pagerduty.__version__
DIST_INFO = f"{PACKAGE}-{VERSION}.dist-info"
MODULES = set((CHECKOUT / PACKAGE).rglob("*.py"))
#: This package; what Airflow 2's web application, and pytest, bring when they ask for something; types.
NOT_ASKED_FOR = {PACKAGE, "flask_appbuilder", "markupsafe", "wtforms", "pytest", "typing_extensions"}


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built[1]) as archive:
        archive.extractall(folder, filter="data")
    (inside,) = folder.iterdir()
    return inside


@pytest.fixture(scope="module")
def metadata(wheel):
    return PathDistribution(PathInZip(wheel, f"{DIST_INFO}/")).metadata


def files_of_the_checkout():
    """Return those that are in git, or will be: what it does not ignore."""
    if not ((CHECKOUT / ".git").exists() and shutil.which("git")):
        pytest.skip("git alone knows what belongs to the sources, and there is none")
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z"]
    options = ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        [*command, *options], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    return {name for name in listed.split("\0") if name and (CHECKOUT / name).exists()}


def test_the_source_distribution_holds_all_of_the_checkout_and_nothing_else(unpacked):
    held = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert held - {"PKG-INFO"} == files_of_the_checkout()


def test_the_source_distribution_builds_the_same_wheel(wheel, unpacked, tmp_path):
    again = build("wheel", tmp_path, unpacked)
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel):
    held = contents(wheel)
    assert {PurePosixPath(name).parts[0] for name in held} == {PACKAGE, DIST_INFO}
    package = {name for name in files_of_the_checkout() if name.startswith(f"{PACKAGE}/")}
    assert {name for name in held if name.startswith(f"{PACKAGE}/")} == package
    assert held[f"{DIST_INFO}/licenses/LICENSE"] == (CHECKOUT / "LICENSE").read_bytes()


@pytest.mark.parametrize(
    "name", ["provider.yaml", "py.typed", "sandbox/page/index.html", "sandbox/page/page.js"]
)
def test_the_wheel_holds_what_is_no_python(wheel, name):
    assert contents(wheel)[f"{PACKAGE}/{name}"] == (CHECKOUT / PACKAGE / name).read_bytes()


def test_the_wheel_says_what_it_is(wheel, metadata):
    assert wheel.name == f"{PACKAGE}-{VERSION}-py3-none-any.whl"
    assert (metadata["Name"], metadata["Version"]) == (NAME, VERSION)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (CHECKOUT / "README.md").read_text().strip()


def test_the_wheel_asks_for_what_it_imports_and_for_nothing_else(metadata):
    asked = defaultdict(set)
    for line in metadata.get_all("Requires-Dist"):
        name, _, extra = line.partition("; extra == ")
        asked[extra.strip("'")].add(re.match(r"[\w-]+", name)[0])
    sandbox = {path for path in MODULES if path.is_relative_to(CHECKOUT / PACKAGE / "sandbox")}
    everywhere = {"apache-airflow-providers-common-compat"} | imported_by(MODULES - sandbox) - {"pagerduty"}
    assert asked == {
        "": everywhere,
        "sandbox": imported_by(sandbox) - everywhere,
        "pagerduty": {"pagerduty"},
    }


def imported_by(paths):
    """Return whose modules are imported, wherever that happens."""
    names = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    names -= sys.stdlib_module_names | NOT_ASKED_FOR
    return {{"airflow": "apache-airflow", "yaml": "pyyaml"}.get(name, name) for name in names}
