"""Ten calls at once on money for six: exactly six pass. Then a limit on the month's spending."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.chapters.customers import COMET
from deploy.demo.day import Chapter, Customer, Day
from deploy.demo.gate import Call, allowed, free_to_spend, new_call, refused
from deploy.demo.money import dollars, micros
from deploy.demo.usage import about, call_ended, given, hang_up
from deploy.demo.wire import NotAsWritten

TALKED_SECONDS: Final = (31, 44, 58, 22, 47)
EACH: Final = "0.18"


async def play(day: Day) -> None:
    comet = day.customer(COMET)
    await day.at("14:00")
    passed = await _ask_for_ten(day, comet)
    *talked, unanswered = passed
    await _let_go_quietly(day, unanswered)
    await _bill_in_one_message(day, comet, talked)
    await day.at("14:20")
    await given(day, comet, "10.00", "Bank transfer", "a bank transfer arrives")
    await day.at("14:30")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166231"), seconds=120)
    await hang_up(day, call, after=101, bills="0.36")
    await day.at("14:40")
    why = "{available} is free, but the call would take the month over its $3.20"
    await refused(day, new_call(day, comet, "outbound", "+15550166232"), "spend_limit_reached", why)


async def _ask_for_ten(day: Day, comet: Customer) -> list[Call]:
    """All at the same time, over ten connections; returns the calls that may start."""
    await day.tell(
        comet, "call", f"ten numbers at the same moment; each needs $0.18, {await free_to_spend(day, comet)} is there"
    )
    calls = [new_call(day, comet, "outbound", f"+155501662{n}") for n in range(11, 21)]
    answers: list[dict[str, Any]] = await asyncio.gather(*(_decision(day, call) for call in calls))
    passed = [call for call, answer in zip(calls, answers, strict=True) if "error" not in answer]
    codes = {answer["error"]["code"] for answer in answers if "error" in answer}
    if len(passed) != 6 or codes != {"insufficient_balance"}:
        raise NotAsWritten(f"{len(passed)} of ten passed, the others were refused for {codes}")
    free = await free_to_spend(day, comet)
    verdict = Text.assemble(
        ("6 × yes", "green"), ", ", ("4 × 402", "bold red"), f"; $1.08 ring-fenced, {free} left free"
    )
    await day.tell(comet, "gate", verdict)
    return passed


async def _decision(day: Day, call: Call) -> dict[str, Any]:
    answer: dict[str, Any] = await day.http.either("POST", "/v1/checks/call", call.asked(60), statuses=(200, 402))
    return answer


async def _let_go_quietly(day: Day, call: Call) -> None:
    await day.move_to(day.now + timedelta(seconds=40))
    await day.http.ask("POST", f"/v1/checks/call/{call.id}/release", {"account_id": call.customer.id})
    await day.tell(call.customer, "call", "one of the six does not answer; its hold is released", style="dim")


async def _bill_in_one_message(day: Day, comet: Customer, calls: list[Call]) -> None:
    await day.at("14:02")
    events = [call_ended(day, call, seconds) for call, seconds in zip(calls, TALKED_SECONDS, strict=True)]
    await day.publisher.publish(events)
    for call in calls:
        await day.posted(comet, about(call.id), EACH, what=call.id)
    total = dollars(len(events) * micros(EACH))
    bill = Text.assemble((f"5 × $0.18 = {total}", "bold"))
    await day.tell(comet, "call", "five talk for less than a minute; one message tells of all five")
    await day.tell(comet, "bill", bill, balance=True)


TEN_AT_ONCE = Chapter(
    title="Afternoon: ten at once",
    lead="Money can be ring-fenced once only, however many ask in the same instant.",
    play=play,
)
