"""A LiveKit webhook as a usage event: `python examples/livekit_usage.py < webhook.json` prints what to send.

The webhook is `participant_left` of a SIP participant, after its signature was checked. Whose call it is and when it
was answered are attributes of ours on that participant (docs/integrations/voice-ai.md says when each is set).
"""

import json
import sys
from typing import Any

UNANSWERED = {"USER_REJECTED": "busy", "USER_UNAVAILABLE": "no_answer"}


def call_ended(webhook: dict[str, Any]) -> dict[str, Any] | None:
    """None for what ends no telephone call. Raises KeyError for a call that is nobody's."""
    participant = webhook.get("participant", {})
    if webhook["event"] != "participant_left" or participant.get("kind") != "SIP":
        return None
    about = participant["attributes"]
    joined = int(participant.get("joinedAtMs") or int(participant["joinedAt"]) * 1000) / 1000
    ended = int(webhook["createdAt"])  # LiveKit writes 64-bit numbers as strings
    inbound = "sip.ruleID" in about  # a dispatch rule let it in; it has joined once it was answered
    answered = joined if inbound else float(about.get("ringfence.answered_at", 0))
    call: dict[str, Any] = {
        "account_id": about["ringfence.account_id"],
        "call_id": about.get("ringfence.call_id", about["sip.callID"]),
        "direction": "inbound" if inbound else "outbound",
        "from": about["sip.phoneNumber" if inbound else "sip.trunkPhoneNumber"],
        "to": about["sip.trunkPhoneNumber" if inbound else "sip.phoneNumber"],
        "started_at": joined,
        "ended_at": max(float(ended), joined, answered),
        "duration_seconds": 0,
    }
    if answered:
        call |= {"status": "completed", "answered_at": answered, "duration_seconds": max(0, ended - int(answered))}
    else:
        call["status"] = UNANSWERED.get(participant.get("disconnectReason", ""), "failed")
    event_id = f"{about['sip.callID']}-ended"
    return {"specversion": "1.0", "id": event_id, "source": "livekit", "type": "call.ended", "data": call}


if __name__ == "__main__":
    print(json.dumps(call_ended(json.load(sys.stdin))))
