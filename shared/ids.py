"""Our own ids: a prefix that says what it names, then a ULID, so that they sort by time (contract §0)."""

import os
import random
from datetime import datetime
from itertools import product
from typing import Final

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TEN_BITS: Final = tuple("".join(pair) for pair in product(_CROCKFORD, repeat=2))
"""Two characters for every 10 bits: the gate makes an id per call, and a loop over single ones was a tenth of it."""

_chance: Final = random.Random()
"""Seeded by the system; ids are no secrets, and asking the system each time is a system call."""
os.register_at_fork(after_in_child=_chance.seed)


def new_id(prefix: str, now: datetime) -> str:
    """`hold_01JD…`: unique, sortable by `now`. 48 bits of milliseconds, 80 bits of chance."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{prefix}_{_written(milliseconds, 5)}{_written(_chance.getrandbits(80), 8)}"


def _written(number: int, pairs: int) -> str:
    pair = _TEN_BITS
    return "".join([pair[number >> 10 * place & 1023] for place in range(pairs - 1, -1, -1)])
