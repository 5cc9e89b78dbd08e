"""Runs a command: with the connections of Airflow's database, its logs out of the way, and errors in a line."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module

from airflow_provider_pagerduty.commands.output import keeping_output_to_us, out
from airflow_provider_pagerduty.commands.tree import Command

PACKAGE = __name__.rpartition(".")[0]


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command and return its exit status; whatever goes wrong is said in one line.

    :param arguments: what was parsed, and ``prog``, the name under which the commands were called.
    """
    module, _, name = command.run.partition(":")
    try:
        with keeping_output_to_us(), _quiet_airflow():
            _read_connections_of_the_database()
            function: Callable[[argparse.Namespace], int] = getattr(import_module(f"{PACKAGE}.{module}"), name)
            status = function(arguments)
            out().flush()
    except BrokenPipeError:  # whoever reads, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sys.stderr.write(f"{arguments.prog}: {one_line(error)}\n")
        return 1
    return status


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line, without the secrets that Airflow knows."""
    text = " ".join(str(error).split())
    ours = (
        type(error).__module__.startswith((PACKAGE.partition(".")[0], "airflow.")) or type(error) is ValueError
    )
    if not text or not ours:
        text = f"{type(error).__name__}: {text}"
    with contextlib.suppress(Exception):  # an Airflow that is not to be had, which the text itself says
        from airflow_provider_pagerduty.masking import redact

        return str(redact(text))
    return text


def _read_connections_of_the_database() -> None:
    """Have Airflow look connections up in its database too.

    A process of Airflow 3 that is no server and has no supervisor asks the environment alone; Airflow's own
    `airflow connections get` declares itself a server for this too. Airflow 2 always looks there.
    """
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


@contextlib.contextmanager
def _quiet_airflow() -> Iterator[None]:
    """Have Airflow's errors and our warnings on standard error, and nothing else: it says much to nobody."""
    import airflow.settings  # noqa: F401 (it sets logging and warnings up, so it has to come first)

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", module=r"(airflow|sqlalchemy)(\.|$)")
        _quiet_structlog(stack)
        _replace_handlers(stack)
        yield


def _quiet_structlog(stack: contextlib.ExitStack) -> None:
    """Have Airflow 3's own loggers say errors alone."""
    structlog = sys.modules.get("structlog")
    if structlog is not None:
        stack.callback(structlog.configure, wrapper_class=structlog.get_config()["wrapper_class"])
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _replace_handlers(stack: contextlib.ExitStack) -> None:
    """Put one of ours in the place of the handlers that log to standard output."""
    root = logging.getLogger()
    printing = (out(), sys.stdout, sys.__stdout__)
    for each in list(root.handlers):
        if isinstance(each, logging.StreamHandler) and each.stream in printing:
            root.removeHandler(each)
            stack.callback(root.addHandler, each)
    ours = logging.StreamHandler(sys.stderr)
    ours.setFormatter(logging.Formatter("%(message)s"))
    ours.addFilter(_is_ours_or_an_error)
    root.addHandler(ours)
    stack.callback(root.removeHandler, ours)


def _is_ours_or_an_error(record: logging.LogRecord) -> bool:
    is_ours = record.name.startswith(PACKAGE.partition(".")[0])
    return record.levelno >= (logging.WARNING if is_ours else logging.ERROR)
