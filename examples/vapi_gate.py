"""May this Vapi call start? Vapi's `assistant-request` becomes a check, Ringfence's answer becomes Vapi's.

`python examples/vapi_gate.py ACCOUNT_ID ASSISTANT_ID < assistant-request.json` asks and prints what to answer Vapi,
which waits 7.5 s. Needs RINGFENCE_HTTP_URL and RINGFENCE_PLATFORM_KEY.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import closing
from typing import Any

WANTED_SECONDS = 1800
REFUSED = "This number cannot take your call at the moment. Goodbye."


def check(request: dict[str, Any], account_id: str) -> dict[str, Any]:
    """The body for POST /v1/checks/call."""
    message = request["message"]
    return {
        "account_id": account_id,
        "call_id": message["call"]["id"],
        "direction": "inbound",
        "from": message["customer"]["number"],
        "to": message["phoneNumber"]["number"],
        "seconds": WANTED_SECONDS,
    }


def answer(status: int, told: dict[str, Any], account_id: str, assistant_id: str) -> dict[str, Any]:
    """Vapi ends the call itself at the granted second; anything but a yes is a no, spoken to the caller."""
    if status != 200:
        return {"error": REFUSED}
    granted = {"maxDurationSeconds": told["granted_seconds"], "metadata": {"ringfence_account_id": account_id}}
    return {"assistantId": assistant_id, "assistantOverrides": granted}


def ask(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The gate's status and answer; 503 without one."""
    key = os.environ["RINGFENCE_PLATFORM_KEY"]
    request = urllib.request.Request(
        os.environ["RINGFENCE_HTTP_URL"] + "/v1/checks/call",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=3) as answered:
            return answered.status, json.load(answered)
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, {}
    except OSError:
        return 503, {}


if __name__ == "__main__":
    account_id, assistant_id = sys.argv[1:]
    print(json.dumps(answer(*ask(check(json.load(sys.stdin), account_id)), account_id, assistant_id)))
