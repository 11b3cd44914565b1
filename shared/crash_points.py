"""Named places at which a test may end the process, as a power cut would: no clean-up, nothing flushed.

`RINGFENCE_CRASH_AT=charge_sent` ends it when `reach("charge_sent")` is first called; `charge_sent:3` the third
time. Without the variable `reach` costs a comparison.
"""

import os
import sys

VARIABLE = "RINGFENCE_CRASH_AT"
EXIT_STATUS = 86


def _read(wish: str) -> tuple[str, int]:
    name, _, times = wish.partition(":")
    return name, int(times or 1)


_name, _left = _read(os.environ.get(VARIABLE, ""))


def reach(name: str) -> None:
    """Here the process ends, if that was asked for."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        sys.stderr.write(f"crashed at {name}\n")
        sys.stderr.flush()
        os._exit(EXIT_STATUS)
