"""`ringfence account …`: look after customers, over the HTTP API with the platform key."""

import re
from typing import Annotated, Any
from uuid import uuid4

import typer

from services.commands.account_words import Account, in_words, signed
from services.commands.console import print_json, print_table, say
from services.commands.failures import CommandFailed, ExitCode
from services.commands.http_client import Api, of_account, ringfence_api
from services.commands.payment_words import CHARGES, CHARGES_SHOWN
from shared.contracts.fields_v1 import is_caller_id
from shared.money import usd_text

app = typer.Typer(help="List, show, open, suspend, reinstate, adjust accounts.", no_args_is_help=True)

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT_ID")]
JsonOption = Annotated[bool, typer.Option("--json", help="The API's own answer.")]
_DOLLARS = re.compile(r"([+-]?)\$?([0-9]{1,8})(?:\.([0-9]{1,2}))?")


@app.command("list")
def list_accounts(
    parent: Annotated[str | None, typer.Option(help="Only the clients of this agency.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    json: JsonOption = False,
) -> None:
    """Accounts, newest first, with balance and status."""
    with ringfence_api() as api:
        page = api.get("/v1/accounts", parent_id=parent, limit=limit, offset=offset)
    if json:
        print_json(page)
        return
    columns = ("id", "name", "status", "balance", "held", "available", "parent")
    print_table(columns, map(_row, page["data"]), right=("balance", "held", "available"))
    say(f"{len(page['data'])} of {page['total']}")


@app.command()
def show(
    account_id: AccountId,
    transactions: Annotated[int, typer.Option(min=1, max=200, help="How many of the last ones.")] = 10,
    json: JsonOption = False,
) -> None:
    """One account in words: balance, holds, status and why, numbers, the last transactions with their parts."""
    with ringfence_api() as api:
        account = _read(api, account_id, transactions)
    if json:
        print_json(account.as_json())
    else:
        say(*in_words(account))


@app.command("open")
def open_account(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    id: Annotated[str | None, typer.Option(help="Its id; without, one is made.")] = None,
    email: Annotated[str | None, typer.Option()] = None,
    parent: Annotated[str | None, typer.Option(help="The agency it is a client of.")] = None,
    agency: Annotated[bool, typer.Option("--agency", help="It is an agency.")] = False,
    credit_limit: Annotated[str | None, typer.Option(metavar="USD", help="How far below zero it may go.")] = None,
    signup_credit: Annotated[str | None, typer.Option(metavar="USD", help="Instead of the deployment's.")] = None,
    inbound: Annotated[str | None, typer.Option(metavar="reject|allow", help="Inbound calls at zero.")] = None,
    json: JsonOption = False,
) -> None:
    """Open an account and print its first API key, which is shown this once."""
    wanted = {
        "id": id,
        "name": name,
        "email": email,
        "parent_id": parent,
        "agency": agency or None,
        "credit_limit_cents": None if credit_limit is None else cents(credit_limit),
        "signup_credit_cents": None if signup_credit is None else cents(signup_credit),
        "inbound_policy": inbound,
    }
    with ringfence_api() as api:
        opened = api.ask("POST", "/v1/accounts", {key: value for key, value in wanted.items() if value is not None})
    if json:
        print_json(opened)
        return
    say(f"Opened {opened['account_id']} with ${opened['balance_usd']}.", f"API key: {opened['api_key']}")


@app.command()
def suspend(
    account_id: AccountId,
    reason: Annotated[str, typer.Option(help="Shown with the account.", prompt="Why")],
) -> None:
    """Suspend by hand: only `reinstate` lifts it, no payment does."""
    _act("POST", account_id, "suspend", {"reason": reason})


@app.command()
def reinstate(account_id: AccountId) -> None:
    """Lift a suspension; one for want of money comes back while money is owed."""
    _act("POST", account_id, "reinstate")


@app.command()
def disable(account_id: AccountId) -> None:
    """Refuse everything at the gate, whatever the balance."""
    _act("PATCH", account_id, "", {"disabled": True})


@app.command()
def enable(account_id: AccountId) -> None:
    """Take `disable` back."""
    _act("PATCH", account_id, "", {"disabled": False})


@app.command()
def adjust(
    account_id: AccountId,
    usd: Annotated[str, typer.Option(metavar="AMOUNT", help="Dollars to give, or with a minus to take: -2.50.")],
    description: Annotated[str, typer.Option(help="On the customer's statement.")],
    idempotency_key: Annotated[str | None, typer.Option(help="The same key moves the money once.")] = None,
    json: JsonOption = False,
) -> None:
    """Give or take money by hand; it shows as an adjustment on the statement."""
    body = {"amount_cents": cents(usd), "description": description}
    headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
    with ringfence_api() as api:
        posted = api.ask("POST", _path(account_id, "adjustments"), body, headers=headers)
    if json:
        print_json(posted)
        return
    say(f"Transaction {posted['id']}: {signed(posted['amount_micros'])}, balance now ${posted['balance_after_usd']}.")


@app.command()
def key(
    account_id: AccountId,
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Make another API key and print it; it is shown this once."""
    with ringfence_api() as api:
        made = api.ask("POST", _path(account_id, "keys"), {} if name is None else {"name": name})
    say(made["api_key"])


def cents(text: str) -> int:
    """Whole cents of dollars as a person writes them: "5", "-2.50", "$10.00". Raises CommandFailed."""
    match = _DOLLARS.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not an amount of dollars with at most two decimals, such as 5 or -2.50"
        raise CommandFailed(message, ExitCode.COULD_NOT)
    amount = int(match[2]) * 100 + int((match[3] or "").ljust(2, "0"))
    return -amount if match[1] == "-" else amount


def _act(method: str, account_id: str, action: str, body: dict[str, Any] | None = None) -> None:
    with ringfence_api() as api:
        account = api.ask(method, _path(account_id, action), body)
    reason = f" ({account['reason']})" if account["reason"] else ""
    say(f"{account['account_id']} is {account['status']}{reason}.")


def _read(api: Api, account_id: str, transactions: int) -> Account:
    whose = {"headers": of_account(account_id)}
    return Account(
        state=api.get(_path(account_id)),
        transactions=api.ask("GET", "/v1/billing/transactions", query={"limit": transactions}, **whose),
        holds=(api.find("/v1/holds", account_id=account_id, state="open", limit=200) or {}).get("data", []),
        numbers=(api.find("/v1/numbers", account_id=account_id, limit=200) or {}).get("data", []),
        billing=api.find("/v1/billing", **whose),
        charges=_charges(api, account_id),
    )


def _charges(api: Api, account_id: str) -> list[dict[str, Any]]:
    """What was told of its charges, newest first."""
    found = [
        event
        for kind in CHARGES
        for event in api.get(f"{_path(account_id)}/events", type=kind, limit=CHARGES_SHOWN)["data"]
    ]
    return sorted(found, key=lambda event: int(event["seq"]), reverse=True)[:CHARGES_SHOWN]


def _path(account_id: str, action: str = "") -> str:
    if not is_caller_id(account_id):
        raise CommandFailed(f"{account_id!r} can't be the id of an account", ExitCode.COULD_NOT)
    return f"/v1/accounts/{account_id}/{action}".rstrip("/")


def _row(account: dict[str, Any]) -> tuple[object, ...]:
    money = (account["balance_usd"], usd_text(account["held_cents"]), account["available_usd"])
    return (account["account_id"], account["name"], account["status"], *money, account["parent_id"])
