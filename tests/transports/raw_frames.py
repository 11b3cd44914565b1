"""Messages no client library would send: properties as raw bytes."""

import struct

import pamqp.frame
from pamqp import commands
from pamqp.body import ContentBody

HEADERS = 0x2000
CORRELATION_ID = 0x0400
REPLY_TO = 0x0200
MESSAGE_ID = 0x0080
TIMESTAMP = 0x0040
BASIC_CLASS = 60
HEADER_FRAME = 2


def raw_publish(channel: int, exchange: str, routing_key: str, flag: int, value: bytes, body: bytes) -> bytes:
    """The frames of one publish whose only property is `flag` with these bytes."""
    header = struct.pack(">HHQH", BASIC_CLASS, 0, len(body), flag) + value
    frame = struct.pack(">BHI", HEADER_FRAME, channel, len(header)) + header + b"\xce"
    publish = commands.Basic.Publish(exchange=exchange, routing_key=routing_key)
    marshal = pamqp.frame.marshal
    return bytes(marshal(publish, channel)) + frame + bytes(marshal(ContentBody(body), channel))


def table(fields: bytes) -> bytes:
    return struct.pack(">I", len(fields)) + fields


def nested_table(depth: int) -> bytes:
    """A table in a table in a table …"""
    sizes = [7 * level + 7 for level in range(depth)]
    inner = b"\x01aI" + struct.pack(">i", 7)
    opened = b"".join(b"\x01aF" + struct.pack(">I", size) for size in reversed(sizes))
    return table(opened + inner)
