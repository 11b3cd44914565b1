"""Sends what Kamailio wrote down (calls to bill, holds to free) to Ringfence until Ringfence has it.

`python3 send_cdrs.py` beside Kamailio, with the same RINGFENCE_HTTP_URL, RINGFENCE_PLATFORM_KEY and RINGFENCE_SPOOL.
Python's standard library alone. A row leaves the spool after Ringfence said yes; killed in between, it is sent again,
which bills nothing twice. What Ringfence will never take is set aside in the table `refused` with the reason.
"""

import base64
import http.client
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing

LOOK_EVERY_SECONDS = 0.2
WAIT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 10
ROWS_AT_ONCE = 100

TABLES = """
CREATE TABLE IF NOT EXISTS waiting (id TEXT PRIMARY KEY, path TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (id TEXT PRIMARY KEY, path TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL);
"""

HOPELESS = {400, 404, 405, 409, 413, 422}
"""The same again would get the same answer. 401 and 403 are not among them: somebody will mend the key."""


class OutOfReachError(Exception):
    """No answer, or one that says to come back later: nothing else would fare better now."""


def spool() -> sqlite3.Connection:
    """Opened so that Kamailio may write while we read, and nothing that was acknowledged is lost with the power."""
    opened = sqlite3.connect(os.environ["RINGFENCE_SPOOL"], timeout=30, isolation_level=None)
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("PRAGMA synchronous=FULL")
    opened.executescript(TABLES)
    return opened


def post(path: str, body: bytes) -> tuple[int, str]:
    """The answer's status, and what it says where it is no yes. Raises OutOfReachError."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['RINGFENCE_PLATFORM_KEY']}"}
    request = urllib.request.Request(os.environ["RINGFENCE_HTTP_URL"] + path, data=body, headers=headers)
    try:
        with closing(answer_to(request)) as answer:
            status = answer.status
            told = "" if status < 300 else answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:  # refused, reset, timed out, cut off
        raise OutOfReachError(str(error)) from error
    if status in (429, 503):
        raise OutOfReachError(f"{status} {told}")
    return status, told


def answer_to(request: urllib.request.Request) -> http.client.HTTPResponse | urllib.error.HTTPError:
    """A refusal is an answer, too. Raises OSError and HTTPException."""
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX)
    except urllib.error.HTTPError as refusal:
        return refusal
    return answer


def send(db: sqlite3.Connection, row: tuple[str, str, str]) -> None:
    """Settle one row, one way or the other, or let it wait. Raises OutOfReachError."""
    key, path, encoded = row
    status, told = post(path, base64.b64decode(encoded))
    if 200 <= status < 300:
        db.execute("DELETE FROM waiting WHERE id = ?", (key,))
        return
    say(f"{key}: {status} {told}")
    if status in HOPELESS:
        db.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?)", (*row, f"{status} {told}"))
        db.execute("DELETE FROM waiting WHERE id = ?", (key,))


def send_all(db: sqlite3.Connection) -> None:
    """One pass over what waits, oldest first. Raises OutOfReachError."""
    for row in db.execute("SELECT id, path, body FROM waiting ORDER BY rowid LIMIT ?", (ROWS_AT_ONCE,)).fetchall():
        send(db, row)


def work_off(db: sqlite3.Connection) -> None:
    """For ever. Raises sqlite3.Error."""
    wait = LOOK_EVERY_SECONDS
    while True:
        try:
            send_all(db)
            wait = LOOK_EVERY_SECONDS
        except OutOfReachError as error:
            say(f"Ringfence is out of reach: {error}")
            wait = min(2 * wait, WAIT_SECONDS_MAX)
        time.sleep(wait)


def main() -> None:
    while True:
        try:
            with closing(spool()) as db:
                work_off(db)
        except sqlite3.Error as error:  # Kamailio is making it at this moment, or the disk is full: opened anew
            say(f"the spool: {error}")
            time.sleep(LOOK_EVERY_SECONDS)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
