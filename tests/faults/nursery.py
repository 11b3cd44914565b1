"""Starts `ringfence` processes without importing everything for each: it has imported it all, and forks.

`python -m tests.faults.nursery` reads requests, one JSON object a line: {words, environment, log, skew_file}, and
answers each with the pid. Each child is a process of its own, with its own address space, signals and log; it ends like
any other. `skew_file` holds the seconds (a number as text) by which the machine's clock of that process is wrong.
"""

import json
import os
import signal
import sys
from datetime import datetime, timedelta
from typing import Any, NoReturn

import shared.clock
from shared import crash_points
from tests import forked


def serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes away what has ended
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        print(pid, flush=True)


def become(request: dict[str, Any]) -> NoReturn:
    """Be the command; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    forked.be_command(request["words"], request["environment"], stdin=nothing, stdout=log, stderr=log)
    if request["skew_file"]:
        be_wrong_about_time(request["skew_file"])
    crash_points.arm(os.environ.get(crash_points.VARIABLE, ""), ends_process=True)
    forked.run()


def be_wrong_about_time(skew_file: str) -> None:
    """As on a machine whose clock is off: everything in the process that asks for the time gets it wrong.

    `shared.clock` is the only place that asks (a test of the house holds that).
    """
    file = os.open(skew_file, os.O_RDONLY)
    right = shared.clock.SystemClock.now

    def now(clock: shared.clock.SystemClock) -> datetime:
        return right(clock) + timedelta(seconds=float(os.pread(file, 32, 0) or b"0"))

    shared.clock.SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
