"""Files an operator hands in: read with a limit, decoded as UTF-8, faults named by file."""

import sys
from pathlib import Path
from typing import Any

from services.commands.failures import CommandFailed, ExitCode
from shared import strict_json

BYTES_MAX = 64 * 1024 * 1024
STDIN = Path("-")


def read_text(path: Path) -> str:
    """The text of a file, or of standard input for "-"; a byte order mark at its start is dropped."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not UTF-8 text: byte {error.start}", ExitCode.COULD_NOT) from None


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, or of standard input for "-"; at most BYTES_MAX."""
    try:
        if path == STDIN:
            body = sys.stdin.buffer.read(BYTES_MAX + 1)
        else:
            with path.open("rb") as file:
                body = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise CommandFailed(f"{path} can't be read: {error.strerror}", ExitCode.COULD_NOT) from None
    if len(body) > BYTES_MAX:
        raise CommandFailed(f"{path} is larger than {BYTES_MAX // 1024**2} MiB: split it", ExitCode.COULD_NOT)
    return body


def read_json(path: Path) -> Any:
    """One JSON document, as strictly as the API reads it."""
    try:
        return strict_json.loads(read_bytes(path))
    except strict_json.NotStrictJson as error:
        raise CommandFailed(f"{path}: {error}", ExitCode.COULD_NOT) from None
