"""The command ``airflow-pagerduty``: thin, the work is in the rooms it names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="airflow-pagerduty", description="PagerDuty for Airflow.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sandbox = commands.add_parser("sandbox", help="run a PagerDuty on this machine, to try alerts against")
    sandbox.add_argument("--port", type=int, default=8765, help="port on the loopback (default: %(default)s)")
    sandbox.add_argument(
        "--rate-limit",
        type=int,
        metavar="N",
        help="answer 429 after N events a minute and key",
    )
    sandbox.set_defaults(run=_sandbox)

    demo = commands.add_parser("demo", help="watch a failing task page the sandbox, in a real Airflow 3")
    demo.add_argument("--keep", action="store_true", help="leave Airflow and the sandbox up until Ctrl-C")
    demo.set_defaults(run=_demo)

    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    return status


def _fail(message: str) -> int:
    print(f"airflow-pagerduty: {message}", file=sys.stderr)
    return 1


def _needs_sandbox(missing: ImportError) -> int:
    return _fail(f"{missing}. The sandbox needs: pip install 'airflow-provider-pagerduty[sandbox]'")


def _sandbox(arguments: argparse.Namespace) -> int:
    try:
        from airflow_provider_pagerduty.sandbox.server import serve
    except ImportError as missing:
        return _needs_sandbox(missing)

    def announce(url: str) -> None:
        print(f"PagerDuty sandbox at {url} (Ctrl-C ends it). Let Airflow page it:")
        print(
            '  export AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT=\'{"conn_type": "pagerduty_events", '
            f'"host": "{url}", "password": "{"0" * 32}"}}\''
        )
        print(f"What it holds: {url}/sandbox/incidents", flush=True)

    if (arguments.rate_limit or 0) < 0:
        return _fail(f"--rate-limit must be 0 or more, got {arguments.rate_limit}")
    try:
        serve(arguments.port, arguments.rate_limit, announce)
    except OSError as error:
        return _fail(f"port {arguments.port} on the loopback cannot be used ({error.strerror}): try --port 0")
    except OverflowError:
        return _fail(f"--port must be from 0 to 65535, got {arguments.port}")
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from airflow_provider_pagerduty.demo import run_demo
    except ImportError as missing:
        return _needs_sandbox(missing)
    return run_demo(keep=arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
