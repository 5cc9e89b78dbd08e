"""What the packaging tests share: the wheel, and one clean environment, before the wheel came and with it."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.append(str(Path(__file__).parent))  # not done by pytest in importlib mode
from distribution import build
from installation import Installation, make_clean_environment


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave time for an index that is far away, which only an empty cache needs."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Give the wheel and the source distribution, built from the checkout at the same time."""
    folder = tmp_path_factory.mktemp("built")
    return build("wheel", folder), build("sdist", folder)


@pytest.fixture(scope="session")
def wheel(built):
    """Give the wheel alone."""
    return built[0]


class Bare(NamedTuple):
    """What a clean Airflow was before this package came."""

    environment: Installation
    versions: dict[str, str]
    #: What its `version` command says, by how Python is told to warn.
    says: dict[str, set[str]]


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Give what was seen of an Airflow without this package, which is there afterwards."""
    environment = make_clean_environment(tmp_path_factory.mktemp("clean") / "environment")
    says = {
        warnings: environment.said("airflow", "version", PYTHONWARNINGS=warnings)
        for warnings in ("default", "always")
    }
    yield Bare(environment, environment.versions(), says)
    # Some 200 MB, where it cannot share files with uv's cache.
    shutil.rmtree(environment.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def alone(bare, wheel):
    """Give an Airflow with the wheel and what it asks for, and nothing else: no extras, no test tools."""
    bare.environment.pip("install", "--quiet", wheel)
    return bare.environment
