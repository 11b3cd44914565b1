"""The control plane's client: what tests call to make Stripe misbehave."""

from datetime import datetime
from typing import Any

import httpx

from .errors import Json


class ControlRefused(Exception):
    """The control plane did not take a command; the message is its answer."""


class Sim:
    """One method per command of `/_sim/`; the shapes are in control_commands.py."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def fault(self, path: str, *, when: str = "before", action: str = "status", **more: Any) -> None:
        """`sim.fault("^/v1/payment_intents$", when="after", action="reset", times=2)`"""
        await self._post("faults", {"path": path, "when": when, "action": action, **more})

    async def clear_faults(self) -> None:
        await self._call("DELETE", "faults")
        await self._call("DELETE", "webhook_faults")

    async def webhook_fault(self, action: str, *types: str, **more: Any) -> None:
        """`sim.webhook_fault("duplicate", "payment_intent.succeeded", copies=5)`; no types: all."""
        await self._post("webhook_faults", {"action": action, "types": list(types) or ["*"], **more})

    async def advance(self, seconds: float) -> str:
        """Moves Stripe's own clock; the new time. Where a test shares its clock, move that instead."""
        return str((await self._post("clock", {"advance_seconds": seconds}))["now"])

    async def set_now(self, now: datetime) -> str:
        return str((await self._post("clock", {"now": now.isoformat()}))["now"])

    async def expire_idempotency(self, key: str | None = None) -> int:
        return int((await self._post("expire_idempotency", {"key": key}))["expired"])

    async def redeliver(self, event: str | None = None, *, type: str | None = None, copies: int = 1) -> int:
        wanted = {"event": event, "type": type, "copies": copies}
        return int((await self._post("redeliver", wanted))["deliveries"])

    async def dispute(self, **wanted: Any) -> Json:
        """`payment_intent=` or `charge=`, `amount=`, `reason=`, `inquiry=`; or `escalate=` an inquiry."""
        return await self._post("dispute", wanted)

    async def close_dispute(self, dispute: str, status: str) -> Json:
        return await self._post("close_dispute", {"dispute": dispute, "status": status})

    async def fail_refund(self, refund: str, reason: str = "expired_or_canceled_card") -> Json:
        return await self._post("fail_refund", {"refund": refund, "reason": reason})

    async def complete_refund(self, refund: str) -> Json:
        return await self._post("fail_refund", {"refund": refund, "outcome": "succeeded"})

    async def set_card(self, payment_method: str, card: str, *, set_up: bool | None = None) -> None:
        """From now on the payment method behaves like `card`."""
        await self._post("set_card", {"payment_method": payment_method, "card": card, "set_up": set_up})

    async def roll_secret(self, *, overlap_seconds: int = 24 * 3600, endpoint: str | None = None) -> str:
        wanted = {"endpoint": endpoint, "overlap_seconds": overlap_seconds}
        return str((await self._post("roll_secret", wanted))["secret"])

    async def authenticate(self, intent: str, outcome: str = "complete") -> Json:
        """What the customer does on the 3-D Secure page."""
        return await self._post("authenticate", {"intent": intent, "outcome": outcome})

    async def enter_card(self, session: str, number: str = "4242424242424242", **fields: str) -> httpx.Response:
        """What the customer does on the checkout page; the page's answer, not followed."""
        form = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123", "name": "", **fields}
        return await self._http.post(f"/c/pay/{session}", data=form)

    async def idle(self, timeout_seconds: float = 10.0) -> None:
        """Wait until every webhook is delivered or given up; raises TimeoutError."""
        answer = await self._post("idle", {"timeout_seconds": timeout_seconds})
        if not answer["idle"]:
            raise TimeoutError(f"{answer['pending']} webhooks are still pending")

    async def state(self, kind: str | None = None) -> Json:
        """`{now, counts, requests, deliveries, faults, webhook_faults, objects (of `kind`)}`"""
        return await self._call("GET", f"state?kind={kind}" if kind else "state")

    async def objects(self, kind: str) -> list[Json]:
        """All objects of a kind, oldest first: payment_intent, charge, refund, event, …"""
        found: list[Json] = (await self.state(kind))["objects"]
        return found

    async def reset(self) -> None:
        """Forget all objects, keys, deliveries, faults; the endpoint of the start comes back."""
        await self._post("reset", {})

    async def _post(self, command: str, body: Json) -> Json:
        return await self._call("POST", command, body)

    async def _call(self, method: str, command: str, body: Json | None = None) -> Json:
        answer = await self._http.request(method, f"/_sim/{command}", json=body, timeout=130)
        if answer.status_code != 200:
            raise ControlRefused(answer.text)
        result: Json = answer.json()
        return result
