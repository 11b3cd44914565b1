"""Sends webhooks: asynchronously, signed, retried with growing pauses, in no promised order, at least once."""

import asyncio
import json
import random
from contextlib import suppress

import httpx

from shared.clock import Clock

from .api.checkout_sessions import expire_due_sessions
from .api.webhook_endpoints import active_secrets
from .deliveries import Delivery, due, enqueue, finish, pending_count, postpone
from .settings import Settings
from .signatures import sign
from .store import Record, Store
from .webhook_faults import WebhookFault, WebhookFaults
from .work import Work

_PARALLEL_MAX = 16
# How long the sender sleeps at most while something waits for its time: the clock may be moved meanwhile.
_LOOK_SECONDS = 0.1
_HOUSEKEEPING_SECONDS = 5.0
_PAUSE_SECONDS_MAX = 3600.0
_STALE_SECONDS_MIN = 600


class WebhookSender:
    def __init__(self, store: Store, settings: Settings, clock: Clock, faults: WebhookFaults) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._chance = random.Random(0)
        self._sessions_checked_at = 0.0

    def announce(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def seed(self, number: int) -> None:
        """Makes `shuffle` repeatable."""
        self._chance.seed(number)

    async def idle(self, timeout_seconds: float) -> int:
        """Wait until nothing is pending; the number still pending when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self._busy():
                    self._progress.clear()
                    self.announce()
                    await self._progress.wait()
        return self._busy()

    def _busy(self) -> int:
        return max(pending_count(self._store), len(self._sending))

    async def run(self) -> None:
        """Until cancelled; what is unsent then is sent after the next start."""
        # Endpoints are on this machine: there is no certificate to check.
        timeout_seconds = self._settings.webhook_timeout_seconds
        async with httpx.AsyncClient(timeout=timeout_seconds, trust_env=False, verify=False) as client:
            try:
                while True:
                    self._wake.clear()
                    self._expire_sessions()
                    self._start_due(client)
                    await self._rest()
            finally:
                for task in self._sending.values():
                    task.cancel()
                await asyncio.gather(*self._sending.values(), return_exceptions=True)

    async def _rest(self) -> None:
        pause = _LOOK_SECONDS if pending_count(self._store) > len(self._sending) else _HOUSEKEEPING_SECONDS
        # Not `wait_for`: on Python 3.11 it loses a cancellation that meets the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    def _expire_sessions(self) -> None:
        now = self._now()
        if now < self._sessions_checked_at + _HOUSEKEEPING_SECONDS:
            return
        self._sessions_checked_at = now
        with self._store.transaction():
            expire_due_sessions(Work(self._store, self._settings, int(now)))

    def _start_due(self, client: httpx.AsyncClient) -> None:
        for delivery in due(self._store, self._now(), _PARALLEL_MAX + len(self._sending)):
            if delivery.id in self._sending or len(self._sending) >= _PARALLEL_MAX:
                continue
            task = asyncio.create_task(self._deliver(client, delivery))
            self._sending[delivery.id] = task
            task.add_done_callback(lambda _, done=delivery.id: self._ended(done))  # type: ignore[misc]

    def _ended(self, delivery_id: int) -> None:
        self._sending.pop(delivery_id, None)
        self._wake.set()
        self._progress.set()

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        event = self._store.find(delivery.event_id)
        endpoint = self._store.find(delivery.endpoint_id)
        if event is None or endpoint is None:
            finish(self._store, delivery, "dropped", None)
            return
        fault = self._faults.take(event.body["type"]) if delivery.attempts == 0 else None
        if fault and self._put_off(delivery, fault):
            return
        status = await self._send(client, event, endpoint, fault)
        if status is not None and 200 <= status < 300:
            finish(self._store, delivery, "delivered", status)
        elif delivery.attempts + 1 >= self._settings.webhook_attempts_max:
            finish(self._store, delivery, "failed", status)
        else:
            pause = min(self._settings.webhook_retry_seconds * 2**delivery.attempts, _PAUSE_SECONDS_MAX)
            postpone(self._store, delivery, self._now() + pause, status)

    def _put_off(self, delivery: Delivery, fault: WebhookFault) -> bool:
        """Whether the fault means that nothing is sent now."""
        match fault.action:
            case "drop":
                finish(self._store, delivery, "dropped", None)
                return True
            case "delay":
                postpone(self._store, delivery, self._now() + fault.seconds, None)
                return True
            case "shuffle":
                postpone(self._store, delivery, self._now() + self._chance.uniform(0, fault.seconds), None)
                return True
            case "duplicate":
                for _ in range(fault.copies - 1):
                    enqueue(self._store, delivery.event_id, delivery.endpoint_id, self._now(), attempts=1)
                return False
            case "stale" | "bad_sig":
                return False

    async def _send(
        self, client: httpx.AsyncClient, event: Record, endpoint: Record, fault: WebhookFault | None
    ) -> int | None:
        """The endpoint's status; None when there was no answer."""
        payload = json.dumps(event.body, indent=2).encode()
        now = int(self._now())
        secrets = active_secrets(endpoint, now)
        if fault and fault.action == "stale":
            now -= max(int(fault.seconds), _STALE_SECONDS_MIN)
        if fault and fault.action == "bad_sig":
            secrets = ["whsec_of_somebody_else"]
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": sign(payload, secrets, now),
            "user-agent": "Stripe/1.0 (local stand-in)",
        }
        try:
            answer = await client.post(endpoint.body["url"], content=payload, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return answer.status_code

    def _now(self) -> float:
        return self._clock.now().timestamp()
