"""A platform at the gate: ask before a call or a message, extend while it lasts, let go of what will not happen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from rich.text import Text

from deploy.demo.day import Customer, Day, usd
from deploy.demo.money import clock, dollars
from deploy.demo.wire import NotAsWritten

Direction = Literal["outbound", "inbound"]


@dataclass
class Call:
    """A call from the first ring on. `granted_seconds` is what the gate allows, from the answer."""

    id: str
    customer: Customer
    direction: Direction
    other: str
    is_recorded: bool
    started_at: datetime
    granted_seconds: int = 0

    @property
    def from_(self) -> str:
        return self.other if self.direction == "inbound" else self.customer.phone

    @property
    def to(self) -> str:
        return self.customer.phone if self.direction == "inbound" else self.other

    @property
    def words(self) -> str:
        way = f"{'from' if self.direction == 'inbound' else 'to'} {self.other}"
        return f"{way}, recorded" if self.is_recorded else way

    def asked(self, seconds: int) -> dict[str, Any]:
        return {
            "account_id": self.customer.id,
            "call_id": self.id,
            "direction": self.direction,
            "from": self.from_,
            "to": self.to,
            "recorded": self.is_recorded,
            "seconds": seconds,
        }


def new_call(day: Day, customer: Customer, direction: Direction, other: str, *, recorded: bool = False) -> Call:
    return Call(customer.next_id("call"), customer, direction, other, recorded, day.now)


async def allowed(day: Day, call: Call, *, seconds: int = 60, over_amqp: bool = False) -> Call:
    """The gate lets the call through and ring-fences its money."""
    if over_amqp:
        answer = await day.publisher.check("call", call.asked(seconds), correlation_id=call.id)
        if answer["status"] != 200:
            raise NotAsWritten(f"check.call was answered {answer}")
    else:
        answer = await day.http.ask("POST", "/v1/checks/call", call.asked(seconds))
    call.granted_seconds = answer["granted_seconds"]
    await day.tell(call.customer, "call", call.words)
    await _tell_grant(day, call, answer, " (over RabbitMQ)" if over_amqp else "")
    return call


async def refused(day: Day, call: Call, code: str, why: str) -> None:
    """The gate says 402: the switch routes by the status alone, the body is for people."""
    error = (await day.http.ask("POST", "/v1/checks/call", call.asked(60), wants=402))["error"]
    _must_be(code, error)
    await day.tell(call.customer, "call", call.words)
    await day.tell(call.customer, "402", _refusal(code, why, error))


async def extended(day: Day, call: Call, *, to_seconds: int) -> None:
    """The call goes on: `to_seconds` from its start are wanted in all."""
    answer = await day.http.ask("POST", f"/v1/checks/call/{call.id}/extend", _wish(call, to_seconds))
    call.granted_seconds = answer["granted_seconds"]
    await day.tell(call.customer, "call", f"goes on, asks for {clock(to_seconds)} in all")
    await _tell_grant(day, call, answer)


async def not_extended(day: Day, call: Call, *, to_seconds: int, why: str) -> None:
    """Nothing more is affordable; the old grant stands."""
    path = f"/v1/checks/call/{call.id}/extend"
    error = (await day.http.ask("POST", path, _wish(call, to_seconds), wants=402))["error"]
    _must_be("insufficient_balance", error)
    await day.tell(call.customer, "call", f"goes on, asks for {clock(to_seconds)} in all")
    await day.tell(call.customer, "402", _refusal(error["code"], why, error))


async def let_go(day: Day, call: Call, why: str) -> None:
    """The call will not happen: its money is free again at once."""
    released = await day.http.ask("POST", f"/v1/checks/call/{call.id}/release", {"account_id": call.customer.id})
    if released["status"] != "released":
        raise NotAsWritten(f"the release of {call.id} was answered {released}")
    await day.tell(call.customer, "call", f"{why}; the hold is released, nothing to pay", style="dim")


async def free_to_spend(day: Day, customer: Customer) -> str:
    account = await day.http.ask("GET", f"/v1/accounts/{customer.id}")
    return usd(account["available_usd"])


def _wish(call: Call, seconds: int) -> dict[str, Any]:
    return {"account_id": call.customer.id, "seconds": seconds}


def _must_be(code: str, error: dict[str, Any]) -> None:
    if error["code"] != code:
        raise NotAsWritten(f"refused for {error['code']}, not for {code}")


def _shown(error: dict[str, Any]) -> dict[str, str]:
    money = ("balance_usd", "available_usd", "required_usd")
    return {name.removesuffix("_usd"): dollars(round(error[name] * 1_000_000)) for name in money}


async def _tell_grant(day: Day, call: Call, answer: dict[str, Any], how: str = "") -> None:
    if call.customer.agency_key is not None:
        words = f": {clock(answer['granted_seconds'])} granted on the plan, at a money balance of $0.00"
        await day.tell(call.customer, "gate", Text.assemble(("yes", "green"), words))
        return
    free = await free_to_spend(day, call.customer)
    seconds, held = clock(answer["granted_seconds"]), usd(answer["held_usd"])
    last = " and no more" if answer["final"] else ""
    granted = f"{how}: {seconds}{last} granted, {held} ring-fenced, {free} left free"
    await day.tell(call.customer, "gate", Text.assemble(("yes", "green"), granted))


def _refusal(code: str, why: str, error: dict[str, Any]) -> Text:
    return Text.assemble((code, "bold red"), f": {why.format(**_shown(error))}")
