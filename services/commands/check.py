"""`ringfence check …`: what would the gate answer? Nothing is held, nothing is told to anybody."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from services.commands.console import print_json, say
from services.commands.environment import setting
from services.commands.failures import CommandFailed, ExitCode
from services.gatekeeper.answers import Answer
from services.gatekeeper.dry_run import dry_run
from shared.clock import MovableClock
from shared.contracts.checks_v1 import Kind
from shared.http_errors import ApiError
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries

app = typer.Typer(help="Ask the gate: may this call, message, campaign start? Holds nothing.", no_args_is_help=True)

SAYS_NO = (402, 400, 409)
"""Answers of the gate that keep a call from starting; all other errors mean that it could not be asked."""

PRICE = "rate_usd_per_"
_SQL = Queries.load(Path(__file__).with_name("queries.sql"))

Account = Annotated[str, typer.Option("--account", metavar="ACCOUNT_ID")]
To = Annotated[str, typer.Option("--to", metavar="NUMBER")]
From = Annotated[str, typer.Option("--from", metavar="NUMBER")]
Direction = Annotated[str, typer.Option(metavar="outbound|inbound")]
Tier = Annotated[str | None, typer.Option()]
NumberId = Annotated[str | None, typer.Option(help="The customer's own number; else it is found by its digits.")]
Ref = Annotated[str | None, typer.Option("--id", help="As this call or message; without, as a new one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="The gate's own answer.")]


@app.command()
def call(
    account: Account,
    to: To,
    from_: From = "anonymous",
    direction: Direction = "outbound",
    seconds: Annotated[int, typer.Option(help="Wanted from the start.")] = 60,
    recorded: Annotated[bool, typer.Option("--recorded")] = False,
    tier: Tier = None,
    number_id: NumberId = None,
    id: Ref = None,
    json: JsonOption = False,
) -> None:
    """May this call start? Exit codes: 0 yes, 1 no, 2 could not ask (also: no such account)."""
    body = {
        "call_id": id or _new(),
        "direction": direction,
        "from": from_,
        "to": to,
        "seconds": seconds,
        "recorded": recorded,
        "tier": tier,
        "number_id": number_id,
    }
    _ask("call", account, body, json)


@app.command()
def sms(
    account: Account,
    to: To,
    from_: From = "anonymous",
    direction: Direction = "outbound",
    segments: Annotated[int | None, typer.Option()] = None,
    text: Annotated[str | None, typer.Option(help="Its segments are counted.")] = None,
    tier: Tier = None,
    number_id: NumberId = None,
    id: Ref = None,
    json: JsonOption = False,
) -> None:
    """May this message be sent? Exit codes as `check call`."""
    body = {
        "message_id": id or _new(),
        "direction": direction,
        "from": from_,
        "to": to,
        "segments": segments,
        "text": text,
        "tier": tier,
        "number_id": number_id,
    }
    _ask("sms", account, body, json)


@app.command()
def chat(
    account: Account, messages: Annotated[int, typer.Option()] = 1, id: Ref = None, json: JsonOption = False
) -> None:
    """May so many chat messages be answered? Exit codes as `check call`."""
    _ask("chat", account, {"message_id": id or _new(), "messages": messages}, json)


@app.command()
def campaign(
    account: Account,
    to: Annotated[str | None, typer.Option("--to", metavar="NUMBER", help="Where it mostly calls.")] = None,
    tier: Tier = None,
    id: Ref = None,
    json: JsonOption = False,
) -> None:
    """May this campaign start? Exit codes as `check call`."""
    _ask("campaign", account, {"campaign_id": id or _new(), "to": to, "tier": tier}, json)


def _new() -> str:
    return f"dry-run-{uuid4()}"


def _ask(kind: Kind, account_id: str, body: dict[str, Any], json: bool) -> None:
    wanted = {name: value for name, value in body.items() if value is not None}
    try:
        answer = asyncio.run(_answer(kind, {"account_id": account_id, **wanted}))
    except ApiError as error:
        faults = "; ".join(f"{fault['path']}: {fault['message']}" for fault in error.extra.get("fields", ()))
        raise CommandFailed(f"{error.code}: {faults or error.message}", ExitCode.COULD_NOT) from None
    if json:
        print_json({"status": answer.status, **answer.body})
    else:
        say(*_in_words(kind, answer))
    if answer.status >= 400:
        raise typer.Exit(ExitCode.REFUSED if answer.status in SAYS_NO else ExitCode.COULD_NOT)


async def _answer(kind: Kind, body: dict[str, Any]) -> Answer:
    pool = await open_pool(setting("RINGFENCE_POSTGRES_URL"), "gatekeeper", size_max=2)
    try:
        clock = MovableClock()
        clock.move_to_offset(timedelta(microseconds=await pool.fetchval(_SQL.clock_offset)))
        return await dry_run(pool, clock, kind, body)
    finally:
        await pool.close()


def _in_words(kind: Kind, answer: Answer) -> list[str]:
    if answer.status >= 400:
        error = answer.body["error"]
        lines = [f"{answer.status} {error['code']}: {error['message']}"]
        if "required_usd" in error:
            lines.append(
                f"  balance ${error['balance_usd']:.6g}, available ${error['available_usd']:.6g},"
                f" required ${error['required_usd']:.6g}"
            )
        return lines
    body = answer.body
    if kind == "campaign":
        return [f"Allowed: needs ${body['required_usd']}, ${body['available_usd']} is available."]
    granted = next(f"{body[key]} {key.removeprefix('granted_')}" for key in body if key.startswith("granted_"))
    prices = [f" at ${body[key]} a {key.removeprefix(PRICE)}" for key in body if key.startswith(PRICE) and body[key]]
    final = ", all that it can pay" if body.get("final") else ""
    return [f"Allowed: {granted}{''.join(prices)}{final}; ${body['held_usd']} would be held."]
