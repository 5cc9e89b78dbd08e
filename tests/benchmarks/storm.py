"""Many tasks fail in one moment, each in a process of its own, as Airflow's workers fork them."""

import multiprocessing
import multiprocessing.connection
import time

from failures import a_failure


def storm(side, failures, at_once, cut_off):
    """Let mapped tasks fail; after ``cut_off`` seconds whoever still runs is ended.

    The notifier is imported before, as parsing the DAG file does; the rest is each process's own.
    """
    notifier, context = side.notifier(), a_failure()
    world = multiprocessing.get_context("fork")
    began, ended, raised = (world.Array("d", failures, lock=False) for _ in range(3))
    started = time.monotonic()

    def one(map_index):
        context["ti"].map_index = map_index
        began[map_index] = time.monotonic()
        try:
            notifier(context)
        except Exception:  # it is counted
            raised[map_index] = 1
        ended[map_index] = time.monotonic()

    running, left = [], list(range(failures))
    while (running or left) and time.monotonic() - started < cut_off:
        while left and len(running) < at_once:
            running.append(world.Process(target=one, args=(left.pop(0),)))
            running[-1].start()
        multiprocessing.connection.wait([each.sentinel for each in running], timeout=1)
        running = [each for each in running if each.is_alive()]
    for each in running:
        each.kill()
        each.join()
    now = time.monotonic()
    return {
        "worker s": sum((end or now) - begin for begin, end in zip(began, ended, strict=True) if begin),
        "storm s": now - started,
        "raised": sum(raised),
        "unfinished": sum(not end for end in ended),
    }
