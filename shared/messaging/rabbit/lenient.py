"""Properties that the decoder refuses must not cost the connection.

pamqp raises on a property that is not UTF-8, on a timestamp beyond the year 9999 (a publisher that counts
microseconds) and on a header table it cannot read. aiormq then closes the connection, the broker gives the
message out again, and so on for ever, with everything else that was unacknowledged. Anyone who may publish
could do that. What cannot be read is left out instead: no identity of ours is in a property (failure mode 31).
"""

import struct
from collections.abc import Callable
from typing import Any

from pamqp import decode

UNREADABLE = (ValueError, OverflowError, OSError, RecursionError)


def read_leniently() -> None:
    """Replace the decoders of properties; harmless when called again."""
    decode.METHODS["shortstr"] = _short_string
    decode.METHODS["timestamp"] = _or_nothing(decode.timestamp, size=lambda _: 8, nothing=None)
    decode.METHODS["table"] = _or_nothing(decode.field_table, size=_table_size, nothing={})


def _short_string(value: bytes) -> tuple[int, str]:
    end = 1 + value[0]
    return end, value[1:end].decode("utf-8", "ignore")


def _table_size(value: bytes) -> int:
    size: int = struct.unpack(">I", value[:4])[0]
    return 4 + size


def _or_nothing(
    decoder: Callable[[bytes], tuple[int, Any]], *, size: Callable[[bytes], int], nothing: Any
) -> Callable[[bytes], tuple[int, Any]]:
    def decode_or_skip(value: bytes) -> tuple[int, Any]:
        try:
            return decoder(value)
        except UNREADABLE:
            return size(value), nothing

    return decode_or_skip
