"""The command ``airflow-pagerduty``: thin, the work is in the rooms it names."""

from __future__ import annotations

import argparse
import json
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_pagerduty.commands.run import run
from airflow_provider_pagerduty.commands.tree import COMMANDS, PROG, Command, Group

if TYPE_CHECKING:
    from airflow_provider_pagerduty.sandbox.server import RunningSandbox

NAME = "airflow-pagerduty"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog=NAME, description="PagerDuty for Airflow.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sandbox = commands.add_parser("sandbox", help="run a PagerDuty on this machine, to try alerts against")
    _add_sandbox_options(sandbox)
    sandbox.set_defaults(run=_sandbox)

    demo = commands.add_parser("demo", help="watch a failing task page the sandbox, in a real Airflow 3")
    demo.add_argument("--keep", action="store_true", help="leave Airflow and the sandbox up until Ctrl-C")
    demo.set_defaults(run=_demo)

    for each in COMMANDS:
        _add(each, commands)

    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    return status


def _add(item: Command | Group, commands: Any) -> None:
    """Add one of the commands that Airflow has too."""
    parser = commands.add_parser(
        item.name,
        help=item.help,
        description=item.description.replace(PROG, NAME),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if isinstance(item, Group):
        inner = parser.add_subparsers(required=True, metavar="COMMAND")
        for each in item.commands:
            _add(each, inner)
        return
    parser.epilog = f"examples:\n{item.examples.replace(PROG, NAME)}"
    for option in item.options:
        parser.add_argument(*option.flags, **option.more)
    parser.set_defaults(run=lambda arguments: run(item, arguments), prog=NAME)


def _add_sandbox_options(sandbox: argparse.ArgumentParser) -> None:
    add = sandbox.add_argument
    add("--port", type=int, default=8765, help="port to listen on; 0 for any (default: %(default)s)")
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine alone)")
    add("--name", action="append", default=[], help="another name under which it is asked for; repeatable")
    add("--tls", action="store_true", help="speak https, with a certificate of its own authority")
    add(
        "--db",
        metavar="FILE",
        type=Path,
        help="keep everything in FILE, and go on from there (default: memory)",
    )
    add("--seed", action="store_true", help="start with some incidents to look at, if there is nothing yet")
    add("--strict", action="store_true", help="take only the integration keys and tokens that are declared")
    add("--key", action="append", default=[], help="declare an integration key; repeatable")
    add("--account-token", metavar="TOKEN", action="append", default=[], help="declare one; repeatable")
    add("--user-token", metavar="TOKEN", help="token of the user on call (default: one is made and printed)")
    add(
        "--control-token",
        metavar="TOKEN",
        help="what page and control demand (default: with --host, one is made)",
    )
    add(
        "--rate-limit",
        type=int,
        metavar="N",
        nargs="?",
        const=120,
        help="answer 429 after N events a minute and key (120 where no N is given, as PagerDuty does)",
    )


def _fail(message: str) -> int:
    print(f"airflow-pagerduty: {message}", file=sys.stderr)
    return 1


def _needs_sandbox(missing: ImportError) -> int:
    return _fail(f"{missing}. The sandbox needs: pip install 'airflow-provider-pagerduty[sandbox]'")


def _sandbox(arguments: argparse.Namespace) -> int:  # noqa: PLR0911 (a reason each)
    problem = _problem_in(arguments)
    if problem:
        return _fail(problem)
    try:
        from airflow_provider_pagerduty.sandbox import server
    except ImportError as missing:
        return _needs_sandbox(missing)

    options = server.Options(
        host=arguments.host,
        port=arguments.port,
        names=arguments.name,
        tls=arguments.tls,
        db=arguments.db,
        seeded=arguments.seed,
        strict=arguments.strict,
        rate_limit=arguments.rate_limit,
        keys=arguments.key,
        account_tokens=arguments.account_token,
        user_token=arguments.user_token,
        token=arguments.control_token,
    )
    try:
        server.serve(options, lambda sandbox: _announce(sandbox, strict=arguments.strict))
    except ImportError as missing:
        return _needs_sandbox(missing)
    except server.BadOptions as error:
        return _fail(str(error))
    except OSError as error:
        if isinstance(error, socket.gaierror):
            return _fail(f"--host {arguments.host} cannot be found: give a name or an address of this machine")
        where = "the loopback" if arguments.host == "127.0.0.1" else arguments.host
        return _fail(f"port {arguments.port} on {where} cannot be used ({error.strerror}): try --port 0")
    return 0


def _problem_in(arguments: argparse.Namespace) -> str | None:
    if not 0 <= arguments.port <= 65535:
        return f"--port must be from 0 to 65535, got {arguments.port}"
    if (arguments.rate_limit or 0) < 0:
        return f"--rate-limit must be 0 or more, got {arguments.rate_limit}"
    for number, key in enumerate(arguments.key, 1):
        if not (len(key) == 32 and key.isascii() and key.isalnum()):
            return f"--key must be 32 letters and digits; number {number} has {len(key)} characters"
    for option in ("host", "user_token", "control_token"):
        if getattr(arguments, option) == "":
            return f"--{option.replace('_', '-')} must not be empty: give a value, or leave it out"
    return None


def _announce(sandbox: RunningSandbox, *, strict: bool) -> None:
    url = sandbox.url
    events = {
        "conn_type": "pagerduty_events",
        "host": url,
        "password": "ONE-OF-YOUR-KEYS" if strict else "0" * 32,
    }
    rest = {"conn_type": "pagerduty", "host": url, "password": sandbox.user_token}
    print(f"PagerDuty sandbox at {url} (Ctrl-C ends it). Let Airflow page it, and ask it as the user on call:")
    print(f"  export AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT={shlex.quote(json.dumps(events))}")
    print(f"  export AIRFLOW_CONN_PAGERDUTY_DEFAULT={shlex.quote(json.dumps(rest))}")
    if strict:
        # A key that was declared is a secret, and a terminal is no place for one.
        print("  (with one of the keys that --key declared in the place of ONE-OF-YOUR-KEYS)")
    if sandbox.ca_file is not None:
        path = shlex.quote(str(sandbox.ca_file))
        print(f"Its certificate is vouched for by {path}. Trust it:")
        print(f"  export REQUESTS_CA_BUNDLE={path} SSL_CERT_FILE={path}")
    if sandbox.token is not None:
        print(f"Page and control want this token, as the header X-Sandbox-Token: {sandbox.token}")
    secret = "" if sandbox.token is None else f"?token={quote(sandbox.token, safe='')}"
    print(f"Look at it: {url}/{secret}")
    print(f"What it holds: {url}/sandbox/incidents", flush=True)


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from airflow_provider_pagerduty.demo import run_demo
    except ImportError as missing:
        return _needs_sandbox(missing)
    return run_demo(keep=arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
