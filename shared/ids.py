"""Our own ids: a prefix that says what it names, then a ULID, so that they sort by time (contract §0)."""

import os
from datetime import datetime

from ulid import ULID


def new_id(prefix: str, now: datetime) -> str:
    """`hold_01JD…`: unique, sortable by `now`."""
    milliseconds = int(now.timestamp() * 1000)
    return f"{prefix}_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + os.urandom(10))}"
