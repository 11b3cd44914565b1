"""Writes what of `docs/` is made from the code: OpenAPI, AsyncAPI, the catalogue of messages, settings, commands.

`python -m deploy.specs` hosts the whole system for a moment and writes what it serves; the tests compare what is
committed with what the code says now.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from deploy.local.servers import private_servers
from deploy.reference import commands_page, settings_page
from services.commands.payment_provider import payment_provider
from services.everything import SERVICES
from services.gatekeeper.hears import QUEUE as ANSWER_CHECKS
from services.ledger.hears import CHARGE_USAGE, OBEY_OPS
from shared.contracts import checks_v1, events_v1, ops_v1, usage_v1
from shared.contracts.news_v1 import EVENTS_PUBLISHED, EventsPublished
from shared.contracts.ticks_v1 import TICK_NAMES, Tick, tick_type
from shared.messaging.asyncapi import Hears, Says, asyncapi_document
from shared.messaging.topology import EVENTS, NEWS, TICKS
from shared.postgres.migrations import migrate
from shared.runtime import host
from shared.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


def asyncapi() -> dict[str, Any]:
    """Every message in and out."""
    return asyncapi_document(
        title="Ringfence messages",
        version="1",
        hears=[
            Hears(CHARGE_USAGE, usage_v1.MODELS, "Usage to bill; an array is a batch."),
            Hears(
                ANSWER_CHECKS,
                {f"check.{kind}": model for kind, model in checks_v1.BODIES.items()},
                "Checks, answered to reply_to.",
                cloud_events=False,
            ),
            Hears(OBEY_OPS, ops_v1.MODELS, "Commands of operators."),
        ],
        says=[
            *(
                Says(EVENTS, f"{name}.<account_id>", name, model, _summary(model))
                for name, model in events_v1.EVENTS.items()
            ),
            *(Says(TICKS, tick_type(name), tick_type(name), Tick, "Due work.") for name in TICK_NAMES),
            Says(NEWS, EVENTS_PUBLISHED, EVENTS_PUBLISHED, EventsPublished, _summary(EventsPublished)),
        ],
    )


def messages_page() -> str:
    """The catalogue as a page to read."""
    lines = ["# Messages", "", "Written by `make specs` from `shared/contracts`; do not edit.", ""]
    lines += ["## In", "", "| exchange | type | what it says | fields |", "| --- | --- | --- | --- |"]
    for exchange, models in (("ringfence.usage", usage_v1.MODELS), ("ringfence.ops", ops_v1.MODELS)):
        lines += [_row(exchange, name, model) for name, model in models.items()]
    lines += [_row("ringfence.checks", f"check.{kind}", model) for kind, model in checks_v1.BODIES.items()]
    lines += ["", "## Out", "", "Exchange `ringfence.events`, routing key `<type>.<account_id>`.", ""]
    lines += ["| exchange | type | what it says | fields |", "| --- | --- | --- | --- |"]
    lines += [_row("ringfence.events", name, model) for name, model in events_v1.EVENTS.items()]
    lines += [_row("ringfence.ticks", tick_type(name), Tick) for name in TICK_NAMES]
    lines.append(_row("ringfence.news", EVENTS_PUBLISHED, EventsPublished))
    return "\n".join(lines) + "\n"


def _row(exchange: str, name: str, model: Any) -> str:
    fields = ", ".join(
        f"`{field.alias or key}`{'' if field.is_required() else '?'}" for key, field in model.model_fields.items()
    )
    return f"| `{exchange}` | `{name}` | {_summary(model)} | {fields} |"


def _summary(model: Any) -> str:
    return " ".join((model.__doc__ or "").split("\n\n")[0].split())


def documents(app: FastAPI) -> dict[Path, str]:
    """Every generated file and what it should hold, given the application that is served."""
    return {
        DOCS / "specs" / "openapi.json": _pretty(app.openapi()),
        DOCS / "specs" / "asyncapi.json": _pretty(asyncapi()),
        DOCS / "messages.md": messages_page(),
        DOCS / "reference" / "settings.md": settings_page(),
        DOCS / "reference" / "commands.md": commands_page(),
    }


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


async def write() -> None:
    """Host everything, write what it serves."""
    async with private_servers(DOCS.parent / ".ringfence" / "specs", keep_data=False, report=print) as servers:
        await migrate(servers.postgres_url)
        settings = Settings(
            postgres_url=servers.postgres_url, amqp_url=servers.amqp_urls["operator"], http_port=0, test_clock=True
        )
        async with (
            payment_provider(servers.folder, SERVICES, settings) as provider,
            host(SERVICES, provider.settings, listen=False) as hosted,
        ):
            for path, text in documents(hosted.app).items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                print(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    asyncio.run(write())
