"""A Vapi end-of-call report as a usage event: `python examples/vapi_usage.py < report.json` prints what to send.

Whose call it is stands in the metadata that was given when the call began, by vapi_gate.py for one that came in
(docs/integrations/voice-ai.md). A web call has no numbers to price and is refused with ValueError.
"""

import json
import sys
from datetime import datetime
from math import ceil
from typing import Any

UNANSWERED = {"customer-busy": "busy", "customer-did-not-answer": "no_answer"}


def call_ended(report: dict[str, Any]) -> dict[str, Any] | None:
    """None for any other message. Raises KeyError for a call that is nobody's."""
    message = report["message"]
    if message["type"] != "end-of-call-report":
        return None
    call = message["call"]
    if call["type"] not in ("inboundPhoneCall", "outboundPhoneCall"):
        raise ValueError(f"a {call['type']} has no numbers")
    inbound = call["type"] == "inboundPhoneCall"
    ours, theirs = message["phoneNumber"]["number"], message["customer"]["number"]
    given = metadata(message.get("assistant")) | metadata(call.get("assistantOverrides"))
    started, ended = message.get("startedAt"), message.get("endedAt") or call["updatedAt"]
    data: dict[str, Any] = {
        "account_id": given["ringfence_account_id"],
        "call_id": given.get("ringfence_call_id", call["id"]),
        "direction": "inbound" if inbound else "outbound",
        "from": theirs if inbound else ours,
        "to": ours if inbound else theirs,
        "status": UNANSWERED.get(message["endedReason"], "completed" if started else "failed"),
        "started_at": started or call["createdAt"],
        "ended_at": ended,
        "duration_seconds": 0,
    }
    if data["status"] == "completed":
        talked = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
        data |= {"answered_at": started, "duration_seconds": ceil(talked.total_seconds())}
    return {"specversion": "1.0", "id": f"{call['id']}-ended", "source": "vapi", "type": "call.ended", "data": data}


def metadata(assistant: dict[str, Any] | None) -> dict[str, Any]:
    return (assistant or {}).get("metadata") or {}


if __name__ == "__main__":
    print(json.dumps(call_ended(json.load(sys.stdin))))
