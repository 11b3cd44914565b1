"""`/_sim/…`: what a test does to Stripe. JSON in, JSON out; off unless asked for; no key, 127.0.0.1 only."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.clock import MovableClock, rfc3339

from . import control_commands as commands
from .api.disputes import close_dispute, escalate_inquiry, open_dispute
from .api.refunds import complete_refund, fail_refund
from .api.webhook_endpoints import roll_secret
from .authentication import finish_authentication
from .cards import CARDS
from .deliveries import delivery_journal, enqueue
from .errors import InvalidRequest, Json, StripeError, missing
from .faults import Fault, Faults
from .idempotency import Keys
from .journal import request_journal
from .pages.stage import Stage
from .store import Record
from .webhook_faults import WebhookFault, WebhookFaults
from .webhooks import WebhookSender
from .work import Work

_HANG_SECONDS = 300.0
OFFSET_FACT = "clock_offset_seconds"


class ControlPlane:
    def __init__(
        self,
        *,
        stage: Stage,
        clock: MovableClock,
        keys: Keys,
        faults: Faults,
        webhook_faults: WebhookFaults,
        sender: WebhookSender,
        start_over: Callable[[], None],
    ) -> None:
        self._stage = stage
        self._clock = clock
        self._keys = keys
        self._faults = faults
        self._webhook_faults = webhook_faults
        self._sender = sender
        self._start_over = start_over

    def routes(self) -> list[Route]:
        posted: list[tuple[str, type[BaseModel], Callable[[Any], Awaitable[Json]]]] = [
            ("faults", commands.FaultRule, self.add_fault),
            ("webhook_faults", commands.WebhookFaultRule, self.add_webhook_fault),
            ("clock", commands.MoveClock, self.move_clock),
            ("expire_idempotency", commands.ExpireIdempotency, self.expire_idempotency),
            ("redeliver", commands.Redeliver, self.redeliver),
            ("dispute", commands.OpenDispute, self.dispute),
            ("close_dispute", commands.CloseDispute, self.close_dispute),
            ("fail_refund", commands.FailRefund, self.fail_refund),
            ("set_card", commands.SetCard, self.set_card),
            ("roll_secret", commands.RollSecret, self.roll_secret),
            ("authenticate", commands.Authenticate, self.authenticate),
            ("idle", commands.Idle, self.idle),
        ]
        return [
            *(Route(f"/_sim/{name}", _endpoint(kind, act), methods=["POST"]) for name, kind, act in posted),
            Route("/_sim/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_sim/webhook_faults", self.clear_webhook_faults, methods=["DELETE"]),
            Route("/_sim/state", self.state, methods=["GET"]),
            Route("/_sim/reset", self.reset, methods=["POST"]),
        ]

    async def add_fault(self, rule: commands.FaultRule) -> Json:
        try:
            re.compile(rule.path)
        except re.error as broken:
            raise InvalidRequest(f"path is no regular expression: {broken}") from broken
        seconds = rule.seconds if rule.seconds is not None else _HANG_SECONDS if rule.action == "hang" else 0.0
        self._faults.rules.append(Fault(**{**rule.model_dump(), "seconds": seconds}))
        return {"rules": len(self._faults.rules)}

    async def clear_faults(self, http: HttpRequest) -> Response:
        self._faults.rules.clear()
        return JSONResponse({"rules": 0})

    async def add_webhook_fault(self, rule: commands.WebhookFaultRule) -> Json:
        if rule.seed is not None:
            self._sender.seed(rule.seed)
        self._webhook_faults.rules.append(WebhookFault(**rule.model_dump(exclude={"seed"})))
        return {"rules": len(self._webhook_faults.rules)}

    async def clear_webhook_faults(self, http: HttpRequest) -> Response:
        self._webhook_faults.rules.clear()
        return JSONResponse({"rules": 0})

    async def move_clock(self, move: commands.MoveClock) -> Json:
        offset = self._clock.offset
        if move.advance_seconds is not None:
            offset += timedelta(seconds=move.advance_seconds)
        if move.now is not None:
            if move.now.tzinfo is None:
                raise InvalidRequest("now needs a time zone")
            offset += move.now - self._clock.now()
        self._clock.move_to_offset(offset)
        with self._stage.work() as work:
            work.store.set_fact(OFFSET_FACT, str(self._clock.offset.total_seconds()))
        return {"now": rfc3339(self._clock.now())}

    async def expire_idempotency(self, which: commands.ExpireIdempotency) -> Json:
        return {"expired": self._keys.forget(which.key)}

    async def redeliver(self, which: commands.Redeliver) -> Json:
        sent = 0
        with self._stage.work() as work:
            endpoints = list(work.store.each("webhook_endpoint"))
            for event in work.store.each("event", oldest_first=True):
                if which.event not in (None, event.id) or which.type not in (None, event.body["type"]):
                    continue
                for endpoint in endpoints * which.copies:
                    # As a later try, so that no fault hits it again.
                    enqueue(work.store, event.id, endpoint.id, work.now, attempts=1)
                    sent += 1
        return {"deliveries": sent}

    async def dispute(self, wanted: commands.OpenDispute) -> Json:
        with self._stage.work() as work:
            if wanted.escalate:
                dispute = work.store.require("dispute", wanted.escalate, "escalate")
                escalate_inquiry(work, dispute)
                return dispute.body
            charge = _charge(work, wanted)
            amount = wanted.amount or charge.body["amount"]
            return open_dispute(work, charge, amount=amount, reason=wanted.reason, is_inquiry=wanted.inquiry).body

    async def close_dispute(self, wanted: commands.CloseDispute) -> Json:
        with self._stage.work() as work:
            dispute = work.store.require("dispute", wanted.dispute, "dispute")
            close_dispute(work, dispute, wanted.status)
            return dispute.body

    async def fail_refund(self, wanted: commands.FailRefund) -> Json:
        with self._stage.work() as work:
            refund = work.store.require("refund", wanted.refund, "refund")
            if wanted.outcome == "failed":
                fail_refund(work, refund, wanted.reason)
            else:
                complete_refund(work, refund)
            return refund.body

    async def set_card(self, wanted: commands.SetCard) -> Json:
        name = wanted.card.removeprefix("pm_card_").removeprefix("visa_")
        if name not in CARDS:
            raise InvalidRequest(f"no such card: {wanted.card}; there are {', '.join(CARDS)}")
        with self._stage.work() as work:
            method = work.store.require("payment_method", wanted.payment_method, "payment_method")
            method.private["card"] = name
            if wanted.set_up is not None:
                method.private["set_up"] = wanted.set_up
            work.store.save(method)
        return {"payment_method": method.id, **method.private}

    async def roll_secret(self, wanted: commands.RollSecret) -> Json:
        with self._stage.work() as work:
            endpoints = list(work.store.each("webhook_endpoint", oldest_first=True))
            chosen = [e for e in endpoints if wanted.endpoint in (None, e.id)]
            if not chosen:
                raise missing("webhook_endpoint", wanted.endpoint or "", "endpoint")
            secret = roll_secret(work, chosen[0], wanted.overlap_seconds)
        return {"endpoint": chosen[0].id, "secret": secret}

    async def authenticate(self, wanted: commands.Authenticate) -> Json:
        with self._stage.work() as work:
            intent = work.store.find(wanted.intent)
            if intent is None or intent.kind not in ("payment_intent", "setup_intent"):
                raise missing("intent", wanted.intent, "intent")
            finish_authentication(work, intent, wanted.outcome)
            return intent.body

    async def idle(self, wanted: commands.Idle) -> Json:
        pending = await self._sender.idle(wanted.timeout_seconds)
        return {"idle": pending == 0, "pending": pending}

    async def state(self, http: HttpRequest) -> Response:
        store = self._stage.store
        kind = http.query_params.get("kind")
        return JSONResponse(
            {
                "now": rfc3339(self._clock.now()),
                "counts": store.counts(),
                "requests": request_journal(store),
                "deliveries": delivery_journal(store),
                "faults": [vars(rule) for rule in self._faults.rules],
                "webhook_faults": [vars(rule) for rule in self._webhook_faults.rules],
                "objects": [record.body for record in store.each(kind, oldest_first=True)] if kind else [],
            }
        )

    async def reset(self, http: HttpRequest) -> Response:
        self._faults.rules.clear()
        self._webhook_faults.rules.clear()
        self._start_over()
        return JSONResponse({"reset": True})


def _charge(work: Work, wanted: commands.OpenDispute) -> Record:
    if wanted.charge:
        return work.store.require("charge", wanted.charge, "charge")
    intent = work.store.require("payment_intent", wanted.payment_intent or "", "payment_intent")
    if intent.body["status"] != "succeeded":
        raise InvalidRequest(f"{intent.id} has no successful charge to dispute")
    return work.store.get(intent.body["latest_charge"])


def _endpoint(
    kind: type[BaseModel], act: Callable[[Any], Awaitable[Json]]
) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def answer(http: HttpRequest) -> Response:
        try:
            command = kind.model_validate_json(await http.body() or b"{}")
            return JSONResponse(await act(command))
        except ValidationError as invalid:
            return JSONResponse({"error": {"message": str(invalid)}}, 422)
        except StripeError as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)

    return answer
