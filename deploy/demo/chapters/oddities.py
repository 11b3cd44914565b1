"""What goes wrong on real wires: told twice, told wrongly, told too late to extend, never told at all."""

from datetime import timedelta

from rich.text import Text

from deploy.demo.chapters.customers import HARBOR, LUNA
from deploy.demo.chapters.prices import AFTERNOON_CALL
from deploy.demo.day import SOURCE, Chapter, Customer, Day
from deploy.demo.gate import allowed, new_call
from deploy.demo.usage import about, call_ended, hang_up, sms_sent, text

TWIN, BAD = "harbor-call-told-by-the-other-switch", "luna-sms-of-minus-one"


async def play(day: Day) -> None:
    luna, harbor = day.customer(LUNA), day.customer(HARBOR)
    await _told_twice(day, harbor)
    await _one_bad_in_three(day, luna)
    await _corrected(day, luna)
    await _overrun(day, luna)
    await _never_told(day, harbor)


async def _told_twice(day: Day, harbor: Customer) -> None:
    await day.at("18:00")
    call = await allowed(day, new_call(day, harbor, "inbound", "+15550188404"), seconds=120)
    event = await hang_up(day, call, after=96, bills="0.32")
    await day.publisher.publish(event)
    await day.tell(
        harbor, "note", "the connection breaks, the same event is sent again: its id is known, not billed", style="dim"
    )
    await day.publisher.publish(call_ended(day, call, 96, id=TWIN))
    await day.tell(
        harbor, "note", "another switch tells the same call under an id of its own: parked, not billed", style="dim"
    )
    await day.at("18:06")
    await text(day, harbor, "+15550188404", "Your pizza is on its way.", bills="0.01")


async def _one_bad_in_three(day: Day, luna: Customer) -> None:
    await day.at("18:20")
    good = [luna.next_id("sms") for _ in range(2)]
    events = [sms_sent(day, luna, message_id, "+15550177314", 1) for message_id in good]
    events.insert(1, sms_sent(day, luna, luna.next_id("sms"), "+15550177314", -1, id=BAD))
    await day.publisher.publish(events)
    await day.tell(luna, "SMS", "three in one message, the second with −1 segments: that one is parked", style="dim")
    for message_id in good:
        await day.posted(luna, about(message_id), "0.01", what=message_id)
    await day.tell(luna, "bill", Text.assemble(("$0.01 + $0.01 = $0.02", "bold")), balance=True)


async def _corrected(day: Day, luna: Customer) -> None:
    await day.at("18:45")
    refers_to = {"source": SOURCE, "id": day.remembered[AFTERNOON_CALL]}
    right = {"account_id": luna.id, "refers_to": refers_to, "duration_seconds": 115, "recorded_seconds": 115}
    await day.publisher.publish(day.event("usage.adjusted", right, id="luna-correction"))

    await day.posted(luna, lambda entry: entry["reason"] == "usage_adjusted", "-0.18", what="the correction")
    await day.tell(
        luna,
        "bill",
        Text.assemble(
            "correction: the call of 16:40 lasted 1:55, not 2:10, one minute less: ", ("+$0.18", "bold green")
        ),
        balance=True,
    )


async def _overrun(day: Day, luna: Customer) -> None:
    await day.at("19:10")
    call = await allowed(day, new_call(day, luna, "inbound", "+15550177315", recorded=True))
    await day.move_to(call.started_at + timedelta(seconds=70))
    await day.tell(luna, "note", "the switch restarts and forgets to extend; the call goes on", style="dim")
    await hang_up(day, call, after=140, bills="0.54")


async def _never_told(day: Day, harbor: Customer) -> None:
    await day.at("19:30")
    call = await allowed(day, new_call(day, harbor, "inbound", "+15550188405"))
    await day.at("19:35")
    await day.dashboard.until(harbor.id, lambda event: event["type"] == "hold_expired", what="the forgotten hold")
    state = await day.http.ask("GET", f"/v1/checks/call/{call.id}?account_id={harbor.id}")
    await billed_nothing(day, harbor, f"nobody tells what became of it: its hold expires ({state['state']})")


async def billed_nothing(day: Day, customer: Customer, words: str) -> None:
    day.hold_to_script(customer)
    await day.tell(customer, "note", words, style="dim")


ODDITIES = Chapter(
    title="Evening: what goes wrong on real wires",
    lead="Nothing is billed twice, nothing is dropped, and what is good is billed beside what is bad.",
    play=play,
    parks={TWIN: "suspected_duplicate", BAD: "invalid_event"},
)
