"""What marks a test as a case: one row of the table in docs/alerts.md."""

import pytest
from airflow import __version__

IS_AIRFLOW_2 = __version__.startswith("2.")


class Marks(tuple):
    """Marks for ``pytest.param``, and as a decorator."""

    __slots__ = ()

    def __call__(self, test):
        for mark in self:
            test = mark(test)
        return test


def case(name, expected, dag_id, *, slow=False, only=None, because=""):
    """Return the marks of a case.

    :param name: the row's name.
    :param expected: what should be seen, in a few words.
    :param dag_id: the DAG that is this case's own.
    :param slow: not among the ten that run by default; a number says on which major version of Airflow.
    :param only: the major version of Airflow that has such a thing.
    :param because: what is said of the other one.
    """
    this = 2 if IS_AIRFLOW_2 else 3
    marks = [
        pytest.mark.e2e,
        pytest.mark.timeout(900),
        pytest.mark.case(name=name, expected=expected, dag_id=dag_id, only=only, because=because),
    ]
    if slow is True or slow == this:
        marks.append(pytest.mark.slow)
    if only not in (None, this):
        marks.append(pytest.mark.skipif(True, reason=because))
    return Marks(marks)
