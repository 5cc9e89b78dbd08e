"""Every DAG in the docs is one that Airflow reads, without a complaint."""

import airflow
import pytest
from docs_page import pages

from airflow_provider_pagerduty.notifications.pagerduty import PagerdutyNotifier

IS_AIRFLOW_2 = airflow.__version__.startswith("2.")
#: What only Airflow 3.1 and later have, and Airflow 2 cannot import.
AIRFLOW_3_ONLY = "from airflow.sdk import"
BLOCKS = [(page.name, block) for page in pages() for block in page.blocks if block.is_dag]


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}:{block.line}" for page, block in BLOCKS])
def test_airflow_reads_the_dag(page, block, tmp_path):
    if IS_AIRFLOW_2 and AIRFLOW_3_ONLY in block.text:
        pytest.skip("the page says that this is for Airflow 3")
    bag = read(block.text, tmp_path)
    assert bag.import_errors == {}
    assert len(bag.dags) == 1


def test_the_readmes_first_dag_has_eight_lines_and_its_callbacks(tmp_path):
    (code, *_) = (block.text for page, block in BLOCKS if page == "README.md")
    assert len([line for line in code.splitlines() if line.strip()]) == 8
    (dag,) = read(code, tmp_path).dags.values()
    assert isinstance(dag.on_failure_callback, PagerdutyNotifier)
    assert isinstance(dag.on_success_callback, PagerdutyNotifier)


def test_what_only_airflow_3_has_is_said_to_be_so_on_its_page():
    for page, block in BLOCKS:
        if AIRFLOW_3_ONLY in block.text:
            assert "Airflow 3" in block.before.rpartition("\n#")[2], f"{page}:{block.line}"


def read(code, folder):
    if IS_AIRFLOW_2:
        from airflow.models.dagbag import DagBag
    else:
        from airflow.dag_processing.dagbag import DagBag
    file = folder / "a_dag_of_the_docs.py"
    file.write_text(code)
    return DagBag(dag_folder=file)
