"""What `ringfence run` says when everything is up: where it is, and what to try first."""

import json
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from services.commands.console import say
from services.commands.keys import DEMO_ACCOUNT
from shared.clock import rfc3339

ASKED_SECONDS = 120
CALL_SECONDS = 83
RING_SECONDS = 4


@dataclass(frozen=True)
class Banner:
    """Everything there is to say; `given` names the variables that the environment had set already.

    Without a `demo_key` (in production) nothing is offered to try.
    """

    variables: Mapping[str, str]
    environment_file: Path
    services: Sequence[str]
    provider: str
    given: Collection[str]
    demo_key: str | None
    now: datetime


def show(banner: Banner) -> None:
    """Print it on standard output."""
    url = banner.variables["RINGFENCE_HTTP_URL"]
    say("", f"Ringfence is up at {url}", style="bold")
    say(
        f"  services    {', '.join(banner.services)}",
        f"  PostgreSQL  {_server(banner, 'RINGFENCE_POSTGRES_URL')}",
        f"  RabbitMQ    {_server(banner, 'RINGFENCE_AMQP_URL')}",
        f"  payments    {banner.provider}",
        f"  settings    {banner.environment_file}   (addresses with passwords, the platform key)",
    )
    if banner.demo_key is not None:
        say(f"  demo key    {banner.demo_key}   (account {DEMO_ACCOUNT})")
        _show_commands(banner, url, banner.demo_key)
    say("", "Ctrl-C stops everything; the data is kept.", "")


def _show_commands(banner: Banner, url: str, demo_key: str) -> None:
    platform_key = banner.variables["RINGFENCE_PLATFORM_KEY"]
    call_id = f"call-{banner.now:%Y%m%d-%H%M%S}"
    say("", "The next three commands to try:", style="bold")
    say(f"  1. May this call start? What {ASKED_SECONDS} seconds cost is ring-fenced:")
    say(_curl(f"{url}/v1/checks/call", platform_key, {**_call(call_id), "seconds": ASKED_SECONDS}))
    say(f"  2. The call is over, {CALL_SECONDS} seconds: bill it.")
    say(_curl(f"{url}/v1/usage", platform_key, _usage(call_id, banner.now)))
    say("  3. What the customer sees:")
    say(_curl(f"{url}/v1/billing/transactions?limit=5", demo_key))


def _call(call_id: str) -> dict[str, Any]:
    return {
        "account_id": DEMO_ACCOUNT,
        "call_id": call_id,
        "direction": "outbound",
        "from": "+15550100",
        "to": "+4930123456",
    }


def _usage(call_id: str, now: datetime) -> dict[str, Any]:
    answered = now - timedelta(seconds=CALL_SECONDS)
    return {
        "specversion": "1.0",
        "id": call_id,
        "source": "demo",
        "type": "call.ended",
        "data": {
            **_call(call_id),
            "status": "completed",
            "started_at": rfc3339(answered - timedelta(seconds=RING_SECONDS)),
            "answered_at": rfc3339(answered),
            "ended_at": rfc3339(now),
            "duration_seconds": CALL_SECONDS,
        },
    }


def _curl(url: str, key: str, body: dict[str, Any] | None = None) -> str:
    """One line that a shell runs as it stands."""
    words = ["curl", "-s", url, "-H", f"Authorization: Bearer {key}"]
    if body is not None:
        words += ["-d", json.dumps(body)]
    return f"     {shlex.join(words)}"


def _server(banner: Banner, name: str) -> str:
    whose = "yours, from the environment" if name in banner.given else "private, started here"
    return f"{_without_password(banner.variables[name])}   ({whose})"


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    address = parts.hostname or ""
    if ":" in address:
        address = f"[{address}]"
    if parts.port is not None:
        address = f"{address}:{parts.port}"
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, f"{user}{address}", parts.path, "", ""))
