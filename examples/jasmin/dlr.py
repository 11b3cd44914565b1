"""What Jasmin reports of a message as a request to Ringfence. For applications that send over Jasmin's HTTP API.

`python examples/jasmin/dlr.py 'DLR-URL?OURS&THEIRS'` prints path and body of what to POST. What is ours stands in the
`dlr-url` that was given to /send: account_id, message_id, from, to, segments as they were asked of the gate; Jasmin
adds id, level, message_status. Answer Jasmin `ACK/Jasmin` only after Ringfence said yes: until then it reports again.
"""

import json
import sys
from typing import Any
from urllib.parse import parse_qsl, urlsplit


def tell_ringfence(report: dict[str, str]) -> tuple[str, dict[str, Any]] | None:
    """Taken by the carrier: billed. Refused by it: the money is free again. None: not the carrier's answer."""
    if report["level"] != "1":
        return None
    account_id, message_id = report["account_id"], report["message_id"]
    if report["message_status"] != "ESME_ROK":
        return f"/v1/checks/sms/{message_id}/release", {"account_id": account_id}
    data = {
        "account_id": account_id,
        "message_id": message_id,
        "from": report["from"],
        "to": report["to"],
        "segments": int(report["segments"]),
    }
    event_id = f"{message_id}-sent"
    return "/v1/usage", {"specversion": "1.0", "id": event_id, "source": "jasmin", "type": "sms.sent", "data": data}


if __name__ == "__main__":
    print(json.dumps(tell_ringfence(dict(parse_qsl(urlsplit(sys.argv[1]).query)))))
