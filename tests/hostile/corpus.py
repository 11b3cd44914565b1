"""Hostile input as data: failure-modes, last paragraph. Nothing here knows a route, a message or a command.

`VALUES` are JSON texts that stand where one field's value should stand; `BODIES` are whole bodies; `TEXTS` go into
queries, paths and ids; `HEADERS` are bytes of a header. Each has a name, so that a failure says what was tried.
"""

from typing import Final

LONG: Final = "a" * 10_000
TWIN_NFC, TWIN_NFD = "caf\u00e9", "cafe\u0301"


def _string(text: str) -> str:
    return f'"{text}"'


VALUES: Final[dict[str, str]] = {
    "nan": "NaN",
    "minus infinity": "-Infinity",
    "1e400": "1e400",
    "minus 1e400": "-1e400",
    "5,000 digits": "9" * 5_000,
    "minus 5,000 digits": "-" + "9" * 5_000,
    "underscored": "1_000",
    "hexadecimal": "0x10",
    "leading zero": "007",
    "plus sign": "+1",
    "true": "true",
    "null": "null",
    "array": "[]",
    "object": "{}",
    "nested array": "[[[[{}]]]]",
    "negative": "-1",
    "zero": "0",
    "minus zero": "-0.0",
    "fraction": "1.5",
    "exponent": "1e3",
    "large float": "1e15",
    "2^53 + 1": str(2**53 + 1),
    "2^63 - 1": str(2**63 - 1),
    "2^63": str(2**63),
    "-2^63 - 1": str(-(2**63) - 1),
    "text underscored": _string("1_000"),
    "arabic digits": _string("\u0661\u0662\u0663"),
    "full-width digits": _string("\uff11\uff12"),
    "spaces and letters": _string(" 12 abc "),
    "number in spaces": _string(" 12 "),
    "empty": _string(""),
    "one space": _string(" "),
    "lone surrogate": _string("\\ud800"),
    "swapped surrogates": _string("\\udc00\\ud800"),
    "nul": _string("a\\u0000b"),
    "raw control": _string("a\x01b"),
    "newline": _string("a\\nb"),
    "right to left": _string("\u202eevil"),
    "zero width": _string("a\u200bb"),
    "emoji": _string("\U0001f600"),
    "nfc": _string(TWIN_NFC),
    "nfd": _string(TWIN_NFD),
    "129 characters": _string("a" * 129),
    "10,000 characters": _string(LONG),
    "quotes and backslashes": _string("\\\"'\\\\`$(id){{7*7}}%s%n"),
    "sql": _string("'; DROP TABLE ledger.accounts; --"),
    "html": _string("<script>alert(1)</script>"),
    "path": _string("../../etc/passwd"),
    "epoch seconds": "1767225600",
    "naive time": _string("2026-01-01T00:00:00"),
    "year 1": _string("0001-01-01T00:00:00Z"),
    "year 9999": _string("9999-12-31T23:59:59Z"),
    "hour 25": _string("2026-01-01T25:00:00Z"),
    "offset of a day": _string("2026-01-01T00:00:00+24:00"),
}
"""As UTF-8 they are JSON or not; where they are, some fields may hold them: a name may be an emoji."""

BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "a space": b" ",
    "null": b"null",
    "number": b"7",
    "string": b'"x"',
    "array": b"[]",
    "array of null": b"[null]",
    "true": b"true",
    "object": b"{}",
    "half an object": b'{"account_id": ',
    "trailing comma": b'{"a": 1,}',
    "comment": b"{} // x",
    "two values": b"{} {}",
    "duplicate keys": b'{"amount_cents": 1, "amount_cents": 2, "account_id": "x", "account_id": "y"}',
    "escaped duplicate keys": b'{"amount_cents": 1, "amount\\u005fcents": 2}',
    "nul byte": b'{"a": "\x00"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "latin-1": b'{"a": "\xe9"}',
    "overlong utf-8": b'{"a": "\xc0\xaf"}',
    "surrogate in utf-8": b'{"a": "\xed\xa0\x80"}',
    "100,000 arrays deep": b"[" * 100_000,
    "100,000 objects deep": b'{"a":' * 100_000,
    "30,000 deep and closed": b"[" * 30_000 + b"]" * 30_000,
    "64 KiB + 1": b'{"a": "' + b"x" * (64 * 1024 + 1 - 9) + b'"}',
    "form": b"amount_cents=1&account_id=x",
    "xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
}
TOO_LARGE: Final = b'{"a": "' + b"x" * (10 * 1024 * 1024) + b'"}'
"""Larger than any route takes; sent to each once."""

TEXTS: Final[dict[str, str]] = {
    "nul": "\x00",
    "sql": "' OR 1=1 --",
    "sql statement": "'; DROP TABLE ledger.transfers; --",
    "like": "%_%",
    "129 characters": "a" * 129,
    "10,000 characters": LONG,
    "right to left": "\u202e",
    "emoji": "\U0001f600",
    "nfd": TWIN_NFD,
    "negative": "-1",
    "nan": "NaN",
    "1e400": "1e400",
    "arabic digit": "\u0663",
    "underscored": "1_0",
    "in spaces": " 1 ",
    "2^63": str(2**63),
    "quotes": "\"'\\",
    "newline": "a\r\nx-evil: 1",
    "climbing": "../..",
    "empty": "",
    "replacement": "\ufffd",
    "percent": "%00%ff",
}
HEADERS: Final[dict[str, bytes]] = {
    "not utf-8": b"\xff\xfe",
    "10,000 characters": LONG.encode(),
    "sql": b"' OR 1=1 --",
    "empty": b"",
    "utf-8": TWIN_NFC.encode(),
    "number": b"-1",
    "comma": b",;=\"'",
    "256 characters": b"k" * 256,
}
