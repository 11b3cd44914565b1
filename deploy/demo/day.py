"""The day: its clock, its customers, and who tells it. Chapters get a `Day` and play on it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from rich.text import Text

from deploy.demo.dashboard import Dashboard, Event
from deploy.demo.money import dollars, micros
from deploy.demo.paper import Paper
from deploy.demo.wire import Http, NotAsWritten, Publisher

SOURCE: Final = "demo-switch"
TUESDAY: Final = 1
DAYS_AHEAD_MIN: Final = 2
FEE_DAYS: Final = 30

COLOURS: Final = ("cyan", "magenta", "yellow", "blue", "green", "bright_red", "bright_cyan", "bright_magenta")


@dataclass
class Customer:
    """One customer. `expected_micros` is what the script says the balance must be; everything heard is held to it.

    `told`: the transactions that have had their line of the day. `agency_key`: of the agency it is a client of.
    """

    id: str
    name: str
    phone: str
    key: str
    colour: str
    agency_key: str | None = None
    expected_micros: int = 0
    told: set[int] = field(default_factory=set, repr=False)
    numbers: "count[int]" = field(default_factory=lambda: count(1), repr=False)

    @property
    def signature(self) -> Text:
        return Text(self.name, style=self.colour)

    def next_id(self, what: str) -> str:
        return f"{self.id}-{what}-{next(self.numbers)}"


@dataclass
class Day:
    """What a chapter plays with.

    `now` is the script's time, which the test clock of the system is moved to; `remembered` is what one chapter
    leaves for a later one; `bank_url` is where the simulated bank asks for 3-D Secure, if there is one.
    """

    http: Http
    publisher: Publisher
    dashboard: Dashboard
    paper: Paper
    date: datetime
    now: datetime
    bank_url: str | None = None
    customers: list[Customer] = field(default_factory=list)
    remembered: dict[str, str] = field(default_factory=dict)

    async def at(self, time_of_day: str) -> None:
        """Go on at "13:05" or "13:05:30" of this day."""
        hours, minutes, seconds = (*map(int, time_of_day.split(":")), 0)[:3]
        await self.move_to(self.date + timedelta(hours=hours, minutes=minutes, seconds=seconds))

    async def move_to(self, instant: datetime) -> None:
        """Move the clock of every service; a script may stand still, it never goes back."""
        if instant < self.now:
            raise NotAsWritten(f"the script goes back in time, from {self.now:%H:%M:%S} to {instant:%H:%M:%S}")
        self.now = instant
        await self.http.ask("POST", "/v1/test/clock", {"now": rfc3339(instant)})

    async def tell(
        self, customer: Customer, tag: str, what: Text | str, *, style: str = "", balance: bool = False
    ) -> None:
        """A line of the day; with `balance`, the one just heard of, which the script has been held to."""
        shown = dollars(customer.expected_micros) if balance else None
        await self.paper.line(self.now, customer.signature, tag, what, balance=shown, style=style)

    async def open_account(self, id: str, name: str, phone: str, **terms: Any) -> Customer:
        """A new customer, with the sign-up credit as first money."""
        opened = await self.http.ask("POST", "/v1/accounts", {"id": id, "name": name, **terms}, wants=201)
        customer = self.add_customer(id, name, phone, opened["api_key"])
        customer.expected_micros = opened["balance_micros"]
        if opened["balance_micros"]:
            await self.dashboard.until(id, lambda event: event["type"] == "balance_changed", what="the sign-up credit")
        return customer

    def add_customer(self, id: str, name: str, phone: str, key: str, *, agency_key: str | None = None) -> Customer:
        """One whose account is open; its statement is part of the end."""
        colour = COLOURS[len(self.customers) % len(COLOURS)]
        customer = Customer(id, name, phone, key, colour, agency_key=agency_key)
        self.customers.append(customer)
        return customer

    @staticmethod
    def instant(text: str) -> datetime:
        """A time of the API."""
        return datetime.fromisoformat(text)

    def customer(self, id: str) -> Customer:
        return next(customer for customer in self.customers if customer.id == id)

    def event(self, type: str, data: Mapping[str, Any], *, id: str, at: datetime | None = None) -> Event:
        """A usage event as it goes over the wire."""
        time = rfc3339(at or self.now)
        return {"specversion": "1.0", "id": id, "source": SOURCE, "type": type, "time": time, "data": dict(data)}

    async def posted(self, customer: Customer, is_it: Callable[[Event], bool], usd: str, *, what: str) -> Event:
        """The transaction, once the dashboard has heard of it; the script says that it takes so much ("-5.00" gives).

        Raises NotAsWritten when it does not come, moves another amount or leaves another balance.
        """
        entry = await self.dashboard.transaction(
            customer.id, lambda entry: entry["id"] not in customer.told and is_it(entry), what=what
        )
        customer.told.add(entry["id"])
        customer.expected_micros -= micros(usd)
        moved, left = entry["amount_micros"], entry["balance_after_micros"]
        if moved != -micros(usd) or left != customer.expected_micros:
            found = f"“{entry['description']}” moved {dollars(moved)} and left {dollars(left)}"
            wanted = f"{dollars(-micros(usd))} and {dollars(customer.expected_micros)}"
            raise NotAsWritten(f"{customer.name}: {found}; the script says {wanted}")
        return entry

    def hold_to_script(self, customer: Customer) -> None:
        """What the dashboard shows now must be what the script says. Raises NotAsWritten."""
        shown = self.dashboard.balance(customer.id)["balance_cents"]
        wanted = customer.expected_micros // 10_000
        if shown != wanted:
            expected, found = dollars(wanted * 10_000), dollars(shown * 10_000)
            raise NotAsWritten(f"the dashboard shows {found} for {customer.name}; the script says {expected}")


@dataclass(frozen=True)
class Chapter:
    """A part of the day, one file each.

    `needs`: a path of the API without which the chapter is left out. `parks`: the ids of the events it sends that
    must end as dead letters, with the reason.
    """

    title: str
    play: Callable[[Day], Awaitable[None]]
    lead: str = ""
    needs: str | None = None
    parks: Mapping[str, str] = field(default_factory=dict)


def the_day_after(today: datetime) -> datetime:
    """Midnight of the Tuesday to come from which thirty days always lead over a month's end."""
    date = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=DAYS_AHEAD_MIN)
    while date.weekday() != TUESDAY or (date + timedelta(days=FEE_DAYS)).month == date.month:
        date += timedelta(days=1)
    return date


def rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def usd(text: str) -> str:
    """ "-0.16" as it is printed here."""
    return dollars(micros(text))
