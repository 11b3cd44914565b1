"""Jasmin's MT interceptor: a message goes out when there is money for it. For customers who are bound by SMPP.

`mtinterceptor -a`, script `python3(/etc/jasmin/interceptor.py)`. Jasmin gives it `routable` and takes `smpp_status`
and `http_status`; None lets the message pass. The user of Jasmin is the account. RINGFENCE_HTTP_URL,
RINGFENCE_PLATFORM_KEY and RINGFENCE_SPOOL come from interceptord's environment.
"""

import json
import os
import sqlite3
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from contextlib import closing
from typing import Any

THROTTLED, SUBMIT_FAILED = 88, 69  # ESME_RTHROTTLED: try again; ESME_RSUBMITFAIL: do not
INSERT = "INSERT INTO waiting (id, path, body) VALUES (?, ?, ?)"

routable: Any = globals()["routable"]
smpp_status: int | None = None
http_status: int | None = None


def text(name: str) -> str:
    value = routable.pdu.params[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def segments() -> int:
    """A long message is a chain of PDUs."""
    count, pdu = 1, routable.pdu
    while hasattr(pdu, "nextPdu"):
        count, pdu = count + 1, pdu.nextPdu
    return count


def ask(check: dict[str, Any]) -> int:
    """The gate's status; 503 without an answer."""
    key = os.environ["RINGFENCE_PLATFORM_KEY"]
    request = urllib.request.Request(
        os.environ["RINGFENCE_HTTP_URL"] + "/v1/checks/sms",
        data=json.dumps(check).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code
    except OSError:
        return 503


def spool(key: str, path: str, body: dict[str, Any]) -> None:
    """send_cdrs.py, the same as beside Kamailio, sends it until Ringfence has it."""
    with closing(sqlite3.connect(os.environ["RINGFENCE_SPOOL"], timeout=5)) as db, db:
        db.execute("PRAGMA synchronous=FULL")
        db.execute(INSERT, (key, path, b64encode(json.dumps(body).encode()).decode()))


message_id = uuid.uuid4().hex
message = {
    "account_id": str(routable.user.uid),
    "message_id": message_id,
    "from": text("source_addr"),
    "to": text("destination_addr"),
    "segments": segments(),
}
http_status = ask(message | {"direction": "outbound"})
if http_status == 200:
    sent = f"{message_id}-sent"
    event = {"specversion": "1.0", "id": sent, "source": "jasmin", "type": "sms.sent", "data": message}
    spool(sent, "/v1/usage", event)
    http_status = None
else:
    smpp_status = THROTTLED if http_status in (429, 503) else SUBMIT_FAILED
    if http_status == 503:  # the yes may have been lost on its way
        spool(f"{message_id}-release", f"/v1/checks/sms/{message_id}/release", {"account_id": message["account_id"]})
