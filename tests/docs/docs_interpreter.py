"""Runs the files that it is told on its standard input, all in one namespace. It is a process of its own."""

import sys
import traceback
from pathlib import Path

names = {"__name__": "__main__"}
for line in sys.stdin:
    path = Path(line.rstrip("\n"))
    outcome = "fine"
    try:
        exec(compile(path.read_text(), str(path), "exec"), names)
    except BaseException as error:
        traceback.print_exc(file=sys.stdout)
        outcome = type(error).__name__
    sys.stdout.write(f"\x1e{outcome}\n")
    sys.stdout.flush()
