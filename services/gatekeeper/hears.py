"""All the gate listens to.

queue                       exchange           key                        who waits
gatekeeper.answer_checks    ringfence.checks   check.call|sms|chat|…      a switch with reply_to, or nobody
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import orjson
import structlog

from services.gatekeeper.answers import Answer, answer_of_error
from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.gate import Gate
from services.gatekeeper.requests import read_check
from shared.clock import Clock
from shared.contracts.checks_v1 import Kind
from shared.edge import BODY_BYTES_MAX, parse_body
from shared.http_errors import ApiError
from shared.ids import new_id
from shared.messaging.batch import BatchConsumer, BatchPolicy
from shared.messaging.errors import MessagingError
from shared.messaging.giving_up import RetryPolicy
from shared.messaging.messages import ROUTING_KEY_HEADER, Dead, Incoming, Outcome, Outcomes, Retry
from shared.messaging.port import Broker
from shared.messaging.topology import CHECK_TTL_MS, CHECKS, work_queue

QUEUE: Final = work_queue("gatekeeper.answer_checks", CHECKS, ttl_ms=CHECK_TTL_MS)
POLICY: Final = BatchPolicy(expires_ms=CHECK_TTL_MS, prefetch=512, retry=RetryPolicy(delays_s=(1, 1)))
"""What nobody waits for is tried again while it may still be wanted (5 s), then parked."""

_KINDS: Final[dict[str, Kind]] = {
    "check.call": "call",
    "check.sms": "sms",
    "check.chat": "chat",
    "check.campaign": "campaign",
}

log = structlog.get_logger(__name__)


class AnswerChecks:
    """Asks the same gate as HTTP does. Who named a queue of his own is answered there, whatever the outcome;
    otherwise the outcome is an event, and what can't become one is parked with its reason."""

    def __init__(self, gate: Gate, broker: Broker, clock: Clock) -> None:
        self._gate = gate
        self._broker = broker
        self._clock = clock

    async def __call__(self, batch: Sequence[Incoming]) -> Outcomes:
        pending = [self._begin(message) for message in batch]
        await asyncio.gather(*(answer for answer in pending if isinstance(answer, asyncio.Future)))
        answers = [one.result() if isinstance(one, asyncio.Future) else one for one in pending]
        await self._reply(
            [
                (message, self._body(answer))
                for message, answer in zip(batch, answers, strict=True)
                if message.waits_for_answer and not message.outlived(CHECK_TTL_MS)
            ]
        )
        return {
            place: [outcome]
            for place, (message, answer) in enumerate(zip(batch, answers, strict=True))
            if not message.waits_for_answer and (outcome := _unanswered(answer)) is not None
        }

    def _begin(self, message: Incoming) -> "asyncio.Future[Answer] | Answer":
        try:
            ask = _read(message)
        except ApiError as error:
            return answer_of_error(error)
        ask.tells = not message.waits_for_answer
        return self._gate.submit(ask)

    def _body(self, answer: Answer) -> bytes:
        body = answer.body
        if "error" in body:
            body = {"error": {**body["error"], "request_id": new_id("req", self._clock.now())}}
        return orjson.dumps({**body, "status": answer.status})

    async def _reply(self, answers: list[tuple[Incoming, bytes]]) -> None:
        """Unconfirmed: who gets no answer treats it as a refusal, and may ask again for the same hold."""
        try:
            await self._broker.reply(answers)
        except MessagingError as error:
            log.warning("checks_not_answered", checks=len(answers), error=str(error))


def _read(message: Incoming) -> Ask:
    came_back = message.exchange == ""
    key = message.headers.get(ROUTING_KEY_HEADER) if came_back else message.routing_key
    kind = _KINDS.get(str(key))
    if kind is None:
        raise ApiError(404, "not_found", "The routing key is none of check.call|sms|chat|campaign.")
    if len(message.body) > BODY_BYTES_MAX:
        raise ApiError(413, "body_too_large", f"The body is larger than {BODY_BYTES_MAX} bytes.")
    return read_check(kind, parse_body(message.body))


def _unanswered(answer: Answer) -> Outcome | None:
    """What becomes of a check nobody waits for: 200 and 402 are events already."""
    if answer.status in (200, 402):
        return None
    error = answer.body["error"]
    detail = error["message"] if "fields" not in error else orjson.dumps(error["fields"]).decode()
    return Retry(error["code"], detail) if answer.status == 503 else Dead(error["code"], detail)


def answer_checks(gate: Gate, broker: Broker, clock: Clock) -> BatchConsumer:
    """The consumer of `gatekeeper.answer_checks`."""
    return BatchConsumer(broker, QUEUE, AnswerChecks(gate, broker, clock), policy=POLICY)
