"""Our own ids: a prefix that says what it names, then a ULID, so that they sort by time (contract §0)."""

import os
import random
from collections.abc import Callable
from datetime import datetime
from itertools import count, product
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


def ids_of(prefix: str, now: datetime) -> Callable[[], str]:
    """Ids of one instant, each the one before plus one, as ULIDs of one millisecond may be. For a batch: at most
    1,048,576 of them.
    """
    first = new_id(prefix, now)
    stem = first[:-4]
    following = count(_chance.getrandbits(20))

    def next_id() -> str:
        number = next(following)
        return f"{stem}{_TEN_BITS[number >> 10 & 1023]}{_TEN_BITS[number & 1023]}"

    return next_id


def _written(number: int, pairs: int) -> str:
    pair = _TEN_BITS
    return "".join([pair[number >> 10 * place & 1023] for place in range(pairs - 1, -1, -1)])
