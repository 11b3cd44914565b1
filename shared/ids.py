"""Our own ids: a prefix that says what it names, then a ULID, so that they sort by time (contract §0)."""

import os
from datetime import datetime
from itertools import product
from typing import Final

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TEN_BITS: Final = tuple("".join(pair) for pair in product(_CROCKFORD, repeat=2))
"""Two characters for every 10 bits: the gate makes an id per call, and a loop over single ones was a tenth of it."""


def new_id(prefix: str, now: datetime) -> str:
    """`hold_01JD…`: unique, sortable by `now`. 48 bits of milliseconds, 80 bits of chance."""
    milliseconds = int(now.timestamp() * 1000)
    chance = int.from_bytes(os.urandom(10), "big")
    return f"{prefix}_{_written(milliseconds, 5)}{_written(chance, 8)}"


def _written(number: int, pairs: int) -> str:
    pair = _TEN_BITS
    return "".join([pair[number >> 10 * place & 1023] for place in range(pairs - 1, -1, -1)])
