"""From an HTTP request to an answer: key, operation, faults, idempotency, one transaction, journal."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from shared.clock import Clock

from .answers import JsonAnswer, NoAnswer, broken_answer, fault_error, wait_out
from .api.catalogue import find_operation
from .errors import InvalidRequest, Json, StripeError
from .exchanges import Exchange, Observer
from .expansion import expand
from .faults import Fault, Faults
from .forms import decode_form
from .idempotency import KeptAnswer, Keys, check_key, fingerprint, is_kept
from .identifiers import random_text
from .journal import Entry, note_request
from .keys import check_known, check_rights, presented_key
from .parameters import read_parameters
from .settings import API_VERSION, Settings
from .store import Store
from .work import Operation, Request, Work

BODY_BYTES_MAX = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """A request that passed every check before execution."""

    operation: Operation
    request: Request
    raw: Json
    key: str | None
    print: str


class Dispatcher:
    """`announce()` is called after each commit: there may be webhooks to send."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        faults: Faults,
        *,
        announce: Callable[[], None],
        observe: Observer,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._announce = announce
        self._observe = observe
        self.keys = Keys(store)

    async def answer(self, http: HttpRequest) -> Response:
        entry = Entry(
            request_id="req_" + random_text(14),
            at=self._clock.now().timestamp(),
            method=http.method,
            path=http.url.path,
            key=http.headers.get("idempotency-key") if http.method == "POST" else None,
        )
        body = await http.body()
        fault = self._faults.take(http.method, http.url.path)
        entry.fault = fault.name if fault else None
        try:
            return await self._answer(http, body, fault, entry)
        finally:
            note_request(self._store, entry)

    async def _answer(self, http: HttpRequest, body: bytes, fault: Fault | None, entry: Entry) -> Response:
        if fault and fault.when == "before":
            await wait_out(fault, http)
            broken = broken_answer(fault, None, entry.request_id)
            if broken is not None:
                return broken
        try:
            call = self._understand(http, body, entry)
            kept = self.keys.recall(call.key, call.print, self._now()) if call.key else None
        except StripeError as refusal:
            return self._json(refusal.status, self._error(refusal, entry), entry)
        if kept:
            entry.replayed = True
            true = self._json(kept.status, kept.body, entry, original=kept.request_id)
        else:
            during = await self._run_with_fault(call, fault, http, entry)
            if not isinstance(during, JsonAnswer):
                return during
            true = during
        if fault and fault.when == "after":
            await wait_out(fault, http)
            return broken_answer(fault, true, entry.request_id) or true
        return true

    def _understand(self, http: HttpRequest, body: bytes, entry: Entry) -> _Call:
        """Everything Stripe checks before it begins; raises StripeError."""
        presented = presented_key(http.headers.get("authorization"))
        check_known(self._settings, presented)
        operation, ids = find_operation(http.method, http.url.path)
        check_rights(self._settings, presented, operation)
        if entry.key is not None:
            check_key(entry.key)
        raw = decode_form(http.url.query) | decode_form(_form(http, body))
        params = read_parameters(operation.parameters, raw)
        request = Request(
            ids=ids,
            params=params,
            publishable=presented == self._settings.publishable_key,
            version=http.headers.get("stripe-version"),
        )
        return _Call(operation, request, raw, entry.key or None, fingerprint(http.method, http.url.path, raw))

    async def _run_with_fault(self, call: _Call, fault: Fault | None, http: HttpRequest, entry: Entry) -> Response:
        """Runs the request once; the key is in use until it ends. A JsonAnswer is the true one."""
        if call.key:
            self.keys.begin(call.key, call.print)
        try:
            if fault and fault.when == "during":
                await wait_out(fault, http)
                if fault.action not in ("latency", "hang"):
                    return broken_answer(fault, None, entry.request_id) or NoAnswer(reset=True)
            status, text = self._execute(call, fault, entry)
            self._observe(Exchange(entry.method, call.operation.path, call.raw, status, text))
        finally:
            if call.key:
                self.keys.end(call.key)
        self._announce()
        if fault and fault.when == "during" and fault.action == "hang":
            return NoAnswer(reset=False)
        return self._json(status, text, entry)

    def _execute(self, call: _Call, fault: Fault | None, entry: Entry) -> tuple[int, str]:
        """One transaction: what the request does, its events, their deliveries, and the kept answer."""
        try:
            with self._store.transaction():
                status, body = self._perform(call, fault, entry)
                text = json.dumps(body, indent=2)
                if call.key and is_kept(status):
                    kept = KeptAnswer(call.print, entry.request_id, status, text, self._now())
                    self.keys.keep(call.key, kept)
                return status, text
        except StripeError as refusal:
            return refusal.status, json.dumps(self._error(refusal, entry), indent=2)
        except Exception:  # noqa: BLE001 — one broken request must not end the stand-in; it is logged and answered 500
            _log.exception("standin_failed %s %s", entry.method, entry.path)
            broken = StripeError(500, "api_error", "The stand-in failed; its log says why.")
            return 500, json.dumps(self._error(broken, entry), indent=2)

    def _perform(self, call: _Call, fault: Fault | None, entry: Entry) -> tuple[int, Json]:
        stores_500 = fault if fault and fault.when == "store500" else None
        if stores_500 and not stores_500.keep_effect:
            return 500, fault_error(stores_500, entry.request_id)
        work = Work(self._store, self._settings, self._now(), entry.request_id, call.key)
        try:
            body = call.operation.perform(work, call.request)
        except StripeError as refusal:
            if not refusal.recorded:
                raise
            return refusal.status, self._error(refusal, entry)
        if stores_500:
            return 500, fault_error(stores_500, entry.request_id)
        return 200, expand(self._store, body, call.request.params.get("expand", []))

    def _error(self, refusal: StripeError, entry: Entry) -> Json:
        log = f"https://dashboard.stripe.com/test/logs/{entry.request_id}?t={self._now()}"
        return {"error": {**refusal.error, "request_log_url": log}}

    def _json(self, status: int, body: Json | str, entry: Entry, original: str | None = None) -> JsonAnswer:
        entry.status = status
        headers = {"request-id": entry.request_id, "stripe-version": API_VERSION}
        if entry.key:
            headers["idempotency-key"] = entry.key.encode("ascii", "replace").decode()[:255]
            headers["original-request"] = original or entry.request_id
        if original:
            headers["idempotent-replayed"] = "true"
        return JsonAnswer(body, status, headers)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _form(http: HttpRequest, body: bytes) -> str:
    if not body:
        return ""
    kind = http.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in ("application/x-www-form-urlencoded", ""):
        raise InvalidRequest(
            "Invalid request: the Stripe API takes application/x-www-form-urlencoded bodies. "
            f"Your request's content type is {kind[:60]}."
        )
    if len(body) > BODY_BYTES_MAX:
        raise InvalidRequest("The request body is too large.", status=413)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as unreadable:
        raise InvalidRequest("Invalid request body: it is not UTF-8.") from unreadable
