"""``airflow pagerduty …``: the same commands, for Airflows that let providers add some (3.2 and later).

Airflow calls this at the start of each of its commands, so nothing is imported that is not there already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from airflow_provider_pagerduty.commands.tree import COMMANDS, PROG, Command, Group

NAME = "airflow pagerduty"


def get_cli_commands() -> list[Any]:
    """Return what Airflow adds to its own commands."""
    from airflow.cli.cli_config import GroupCommand

    group = GroupCommand(
        name="pagerduty",
        help="See what waits for PagerDuty, and check that it can be reached",
        subcommands=[_translated(each) for each in COMMANDS],
    )
    return [group]


def _translated(item: Command | Group) -> Any:
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    if isinstance(item, Group):
        return GroupCommand(
            name=item.name,
            help=item.help,
            description=_text(item.description),
            subcommands=[_translated(each) for each in item.commands],
        )
    return ActionCommand(
        name=item.name,
        help=item.help,
        description=_text(item.description),
        epilog=_text(f"examples:\n{item.examples}"),
        args=[Arg(flags=option.flags, **option.more) for option in item.options],
        func=_function(item),
    )


def _text(text: str) -> str:
    # Airflow's help reads square brackets as rich's markup.
    return text.replace(PROG, NAME).replace("[", r"\[")


def _function(command: Command) -> Callable[[Any], None]:
    def function(arguments: Any) -> None:
        from airflow_provider_pagerduty.commands.run import run

        arguments.prog = NAME
        sys.exit(run(command, arguments))  # Airflow itself asks no command for its status

    return function
