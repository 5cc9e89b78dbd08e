# ruff: noqa: T201 (it prints what it measured)
"""One client in a process of its own: it does one thing, measures it, and prints what it measured as JSON.

python client.py SIDE CALL PORT ARGUMENTS-AS-JSON

The clock starts after ``from airflow.sdk import dag, task``, which every DAG file has. Many that fail are in
``storm``.
"""

import asyncio
import importlib
import json
import signal
import sys
import time
from pathlib import Path

from road import lead_to


def main():
    _, name, call, port, arguments = sys.argv
    lead_to(int(port))
    from airflow.sdk import dag, task  # noqa: F401

    side = importlib.import_module(f"sides.{name}")
    measure = importlib.import_module("storm").storm if call == "storm" else globals()[call]
    print(json.dumps(measure(side, **json.loads(arguments))))


def page_by_notifier(side):
    """Import the notifier, as a DAG file does, and be called back once."""
    from failures import a_failure

    context = a_failure()
    had, modules, began = peak(), len(sys.modules), time.perf_counter()
    side.import_notifier()
    imported = {"import ms": since(began), "modules": len(sys.modules) - modules}
    side.notifier()(context)
    return imported | {"notifier ms": since(began), "MB": peak() - had}


def page_by_hook(side):
    """Import the hook, and send one event."""
    began = time.perf_counter()
    side.page()
    return {"hook ms": since(began)}


def one_by_one(side, count):
    """Send some events, one after the other, with one hook that has sent some before."""
    send = side.sender()
    for number in range(min(count, 5)):
        send(number)
    began = time.perf_counter()
    for number in range(count):
        send(number)
    return {"ms": since(began) / count}


def many_at_once(side, count, widths):
    """Send some events, so many of them at once, with one hook that has sent one before."""

    async def run(send):
        await send(0)
        return {f"{width} at once ms": await timed(send, count, width) for width in widths}

    return asyncio.run(side.with_sender(run))


async def timed(send, count, width):
    numbers = iter(range(count))

    async def worker():
        for number in numbers:
            await send(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(width)))
    return since(began) / count


def callback(side, task_id, cut_off):
    """Be called back once, and be stopped where that takes too long."""
    from failures import a_failure

    context = a_failure(task_id)

    def stop(*_):
        raise CutOff

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, cut_off)
    began = time.perf_counter()
    try:
        side.notifier()(context)
    except CutOff:
        return {"s": since(began) / 1_000, "was cut off": True}
    except Exception:
        if not side.GIVES_UP:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # else it could go off while the figure is printed
    return {"s": since(began) / 1_000, "was cut off": False}


def relay(side, seconds):
    """Deliver what was kept."""
    return {"left": side.relay(seconds)}


class CutOff(BaseException):
    """It took too long."""


def since(began):
    return (time.perf_counter() - began) * 1_000


def peak():
    """Return the most memory that this process has had, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
