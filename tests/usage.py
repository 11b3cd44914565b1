"""Usage events as a platform would send them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4


def envelope(
    type: str, data: dict[str, Any], *, event_id: str | None = None, time: datetime | None = None, source: str = "sip"
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id or uuid4().hex,
        "source": source,
        "type": type,
        "time": (time or datetime.now(UTC)).isoformat(),
        "data": data,
    }


def call_ended(
    account_id: str,
    call_id: str,
    seconds: int,
    *,
    event_id: str | None = None,
    ended_at: datetime | None = None,
    **fields: Any,
) -> dict[str, Any]:
    ended = ended_at or datetime.now(UTC)
    answered = ended - timedelta(seconds=abs(seconds))
    data = {
        "account_id": account_id,
        "call_id": call_id,
        "direction": "outbound",
        "from": "+15550100",
        "to": "+4930123456",
        "status": "completed",
        "started_at": (answered - timedelta(seconds=5)).isoformat(),
        "answered_at": answered.isoformat(),
        "ended_at": ended.isoformat(),
        "duration_seconds": seconds,
        **fields,
    }
    return envelope("call.ended", {k: v for k, v in data.items() if v is not None}, event_id=event_id, time=ended)


def sms_sent(account_id: str, message_id: str, segments: int = 1, **changes: Any) -> dict[str, Any]:
    data = {
        "account_id": account_id,
        "message_id": message_id,
        "from": "+15550100",
        "to": "+4930123456",
        "segments": segments,
    }
    return envelope("sms.sent", data, **changes)
