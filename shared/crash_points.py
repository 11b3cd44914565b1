"""Named places at which a test may end the process, as a power cut would: no clean-up, nothing flushed.

`RINGFENCE_CRASH_AT=charge_sent` ends it when `reach("charge_sent")` is first called; `charge_sent:3` the third
time. Without the variable `reach` costs a comparison. A soak that can't start a process for each crash arms a
point to raise `Crashed` instead: no handler catches it, open transactions roll back, the work is gone.
"""

import os
import sys
from typing import NoReturn

VARIABLE = "RINGFENCE_CRASH_AT"
EXIT_STATUS = 86


class Crashed(BaseException):
    """The work ended here. Not an Exception: no code may handle it."""


def _read(wish: str) -> tuple[str, int]:
    name, _, times = wish.partition(":")
    return name, int(times or 1)


_name, _left = _read(os.environ.get(VARIABLE, ""))
_ends_process = True


def arm(wish: str, *, ends_process: bool = False) -> None:
    """From now on crash at `wish`, once; "" disarms."""
    global _name, _left, _ends_process
    _name, _left = _read(wish)
    _ends_process = ends_process


def reach(name: str) -> None:
    """Here the process ends, if that was asked for."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        _crash(name)


def _crash(name: str) -> NoReturn:
    if not _ends_process:
        raise Crashed(name)
    sys.stderr.write(f"crashed at {name}\n")
    sys.stderr.flush()
    os._exit(EXIT_STATUS)
