"""The platform: 50 events and 20 checks a second from a seed. It remembers every acknowledged answer.

It behaves as a platform should: what was not acknowledged is sent again under the same id; a check that got no answer
is released; a refused or unanswered call does not take place.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from shared.messaging.errors import MessagingError
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE
from tests.faults.gates import Gates
from tests.faults.model import Model, cost_micros
from tests.faults.own_lag import OwnLag
from tests.faults.people import POOR, RICH, People
from tests.faults.stage import PLATFORM_KEY, Stage
from tests.faults.wire import NoAnswer
from tests.usage import call_ended, envelope, sms_sent

EVENTS_PER_S = 50
CHECKS_PER_S = 20
TWICE = 0.03
OVER_HTTP = 0.1
BATCH_MAX = 200
RELEASE_PAUSE_S_MAX = 8.0

Event = dict[str, Any]
Now = Callable[[], Any]


class Load:
    """`async with Load(stage)`: it runs while the block does; then `drain` until all is acknowledged."""

    def __init__(
        self,
        stage: Stage,
        *,
        events_per_s: float = EVENTS_PER_S,
        checks_per_s: float = CHECKS_PER_S,
        own_lag: OwnLag | None = None,
        name: str = "load",
    ) -> None:
        self.stage = stage
        self.model = Model()
        self.people = People(stage, self.model)
        self.events_per_s = events_per_s
        self.checks_per_s = checks_per_s
        self.now: Now | None = None
        self.own_lag = own_lag or OwnLag()
        self._name = name
        self._rng = random.Random(f"{stage.seed}-{name}")
        self._numbers = 0
        self._unsent: deque[Event] = deque()
        self._over_http: deque[Event] = deque()
        self._going_on: deque[tuple[float, str, str, int]] = deque()
        self._recent: deque[Event] = deque(maxlen=50)
        self._asking: set[asyncio.Task[None]] = set()
        self._running: list[asyncio.Task[None]] = []
        self._stopping = False
        self._broker = Rabbit(stage.platform_amqp, name="platform")
        self._gates = Gates(stage, self.model.answers.silences)
        self._turn = 0

    async def __aenter__(self) -> "Load":
        await self._broker.open()
        await self.people.move_in()
        works: list[Coroutine[Any, Any, None]] = [
            self._happen(),
            self._publish(),
            self._post(),
            self._ask(),
            self.people.pay(self._rng),
        ]
        self._running = [asyncio.create_task(work) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        for task in (*self._running, *self._asking):
            task.cancel()
        outcomes = await asyncio.gather(*self._running, *self._asking, return_exceptions=True)
        self.people.stop()
        await self._broker.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    def fail_early(self) -> None:
        """Raise what ended a part of the load, if anything did."""
        for task in self._running:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def drain(self, *, seconds: float = 60) -> None:
        """Nothing new; everything sent is acknowledged in the end."""
        self._stopping = True
        self.people.stop()
        deadline = time.monotonic() + seconds
        while self._unsent or self._over_http or self.model.unconfirmed or self._asking or self.people.is_paying:
            self.fail_early()
            if time.monotonic() > deadline:
                left = f"{len(self._unsent)} unsent, {len(self.model.unconfirmed)} unconfirmed"
                raise AssertionError(f"the load was not acknowledged within {seconds:.0f} s: {left}")
            await asyncio.sleep(0.05)

    def send(self, *events: Event) -> None:
        """Have these published too."""
        for event in events:
            self.model.unconfirmed.add(_key(event))
        self._unsent.extend(events)

    async def told_all(self) -> None:
        """Wait until everything that was sent up to now is in the books; none of it is sent a second time from now on."""
        self._recent.clear()
        sent = set(self.model.unconfirmed) | self.model.usage.keys()
        for _ in range(600):
            rows = await self.stage.fetch("SELECT account_id, source, event_id FROM ledger.usage_events")
            if sent <= {tuple(row) for row in rows}:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("what was sent is not in the books")

    # What happens: calls end, messages are sent.

    async def _happen(self) -> None:
        async for _ in self._beat(self.events_per_s):
            event = self._next_event()
            self._recent.append(event)
            (self._over_http if self._rng.random() < OVER_HTTP else self._unsent).append(event)
            self.model.unconfirmed.add(_key(event))
            if self._rng.random() < TWICE:
                self._unsent.append(self._rng.choice(self._recent))

    def _next_event(self) -> Event:
        number = self._number()
        if self._going_on and self._going_on[0][0] < time.monotonic():
            _, account, call_id, granted = self._going_on.popleft()
            return self._ended(account, call_id, self._rng.randint(1, granted), number)
        account = self._rng.choice(RICH)
        chance = self._rng.random()
        if chance < 0.5:
            return self._ended(account, f"{self._name}-call-{number}", self._rng.randint(0, 300), number)
        if chance < 0.9:
            return sms_sent(
                self._account_of_sms(account),
                f"{self._name}-sms-{number}",
                self._rng.randint(1, 5),
                event_id=f"{self._name}-{number}",
                time=self._time(),
            )
        return envelope(
            "chat.message",
            {"account_id": account, "chat_id": f"{self._name}-chat-{number}", "message_id": f"{self._name}-m-{number}"},
            event_id=f"{self._name}-{number}",
            time=self._time(),
        )

    def _ended(self, account: str, call_id: str, seconds: int, number: int) -> Event:
        return call_ended(account, call_id, seconds, event_id=f"{self._name}-{number}", ended_at=self._time())

    def _account_of_sms(self, account: str) -> str:
        return self._rng.choice(self.people.with_reload) if self._rng.random() < 0.3 else account

    def _time(self) -> Any:
        return None if self.now is None else self.now()

    # Usage in, over RabbitMQ and over HTTP, until it is acknowledged.

    async def _publish(self) -> None:
        while True:
            batch = [self._unsent.popleft() for _ in range(min(BATCH_MAX, len(self._unsent)))]
            if not batch:
                await asyncio.sleep(0.02)
                continue
            messages = [Message(USAGE, event["type"], orjson.dumps(event)) for event in batch]
            try:
                problems = await self._broker.publish_many(messages, timeout_s=3)
            except MessagingError:
                self._unsent.extendleft(reversed(batch))
                await asyncio.sleep(0.2)
                continue
            for event, problem in zip(batch, problems, strict=True):
                if problem is None:
                    self._acknowledged(event)
                else:
                    self._unsent.append(event)

    async def _post(self) -> None:
        while True:
            if not self._over_http:
                await asyncio.sleep(0.05)
                continue
            event = self._over_http[0]
            ledgers = self.stage.of("ledger")
            try:
                url = f"{ledgers[self._turn % len(ledgers)].url}/v1/usage"
                answer = await self.stage.wire.ask("POST", url, event, key=PLATFORM_KEY, timeout_s=8)
            except NoAnswer:
                self._turn += 1
                await asyncio.sleep(0.2)
                continue
            if answer.status == 202:
                self._over_http.popleft()
                self._acknowledged(event)
            elif answer.status >= 500:
                await asyncio.sleep(0.2)
            else:
                raise AssertionError(f"POST /v1/usage: {answer.status} {answer.json}")

    def _acknowledged(self, event: Event) -> None:
        self.model.usage[_key(event)] = cost_micros(event)
        self.model.unconfirmed.discard(_key(event))

    # Checks.

    async def _ask(self) -> None:
        async for _ in self._beat(self.checks_per_s):
            task = asyncio.create_task(self._check(self._number()))
            self._asking.add(task)
            task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.model.answers.wrong.append(repr(error))

    async def _check(self, number: int) -> None:
        account = self._rng.choice(RICH) if self._rng.random() < 0.7 else self._rng.choice(POOR)
        kind = "call" if self._rng.random() < 0.8 else "sms"
        ref = f"{self._name}-{kind}-{number}"
        body = {"account_id": account, "from": "+15550100", "to": "+4930123456", "direction": "outbound"}
        body |= {"call_id": ref, "seconds": 180} if kind == "call" else {"message_id": ref}
        began = time.monotonic()
        status, answer = await self._gates.ask(f"/v1/checks/{kind}", body)
        ended = time.monotonic()
        lag_s = self.own_lag.within(began, ended) if self._gates.can_be_timed(began) else None
        self.model.answers.count(status, ended - began, lag_s, str(answer))
        place = (account, kind, ref)
        if status == 200:
            self.model.allowed[place] = answer["hold_id"]
            await self._go_on(place, answer)
        elif status == 402:
            self.model.refused[place] = answer["error"]["code"]
        elif status is None:  # after a 503 there is nothing to give back: a hold that was placed all the same expires
            await self._give_back(place)

    async def _go_on(self, place: tuple[str, str, str], answer: dict[str, Any]) -> None:
        """Most calls take place, some are canceled, and of some nobody ever hears again."""
        account, kind, ref = place
        chance = self._rng.random()
        if chance < 0.1:
            await self._give_back(place)
        elif chance < 0.9 and kind == "call":
            self._going_on.append(
                (time.monotonic() + self._rng.uniform(0.2, 2), account, ref, answer["granted_seconds"])
            )
        elif chance < 0.9:
            self.send(sms_sent(account, ref, 1, event_id=f"{self._name}-{ref}", time=self._time()))

    async def _give_back(self, place: tuple[str, str, str]) -> None:
        """Until it is acknowledged, also where we don't know whether there is a hold."""
        account, kind, ref = place
        pause_s = 0.5
        while True:
            status, answer = await self._gates.ask(f"/v1/checks/{kind}/{ref}/release", {"account_id": account})
            if status == 200 and answer["status"] == "released":
                self.model.released.add(place)
                return
            if status not in (None, 503):
                raise AssertionError(f"release: {status} {answer}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RELEASE_PAUSE_S_MAX)

    # The rhythm.

    async def _beat(self, per_s: float) -> Any:
        """So many a second on average, whatever each takes."""
        if per_s <= 0:
            return
        due = time.monotonic()
        while not self._stopping:
            due = max(due + self._rng.expovariate(per_s), time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            yield

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


def _key(event: Event) -> tuple[str, str, str]:
    return event["data"]["account_id"], event["source"], event["id"]
