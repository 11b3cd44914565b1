"""The AsyncAPI 3.0 document of all messages, written by FastStream.

FastStream declares here and runs nothing (why: see `listener`). Declared are its two settings that its own
defaults would get wrong, so that the document says what we do: acknowledged by hand, published persistent.
It is imported when the document is asked for only; a running service does not pay for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, Literal

from pydantic import BaseModel, create_model

from shared.messaging.topology import WorkQueue


@dataclass(frozen=True, slots=True)
class Hears:
    """A queue and the messages it takes: by CloudEvents type the model of `data`.

    With `cloud_events=False` the models are whole bodies, by routing key (`ringfence.checks`).
    """

    queue: WorkQueue
    models: Mapping[str, type[BaseModel]]
    description: str = ""
    cloud_events: bool = True


@dataclass(frozen=True, slots=True)
class Says:
    """An event we publish: exchange, routing key pattern, CloudEvents type and the model of `data`."""

    exchange: str
    routing_key: str
    event_type: str
    model: type[BaseModel]
    description: str = ""


def asyncapi_document(*, title: str, version: str, hears: Sequence[Hears], says: Sequence[Says]) -> dict[str, Any]:
    """The document as JSON values; the same input gives the same document."""
    from faststream.rabbit import RabbitBroker
    from faststream.specification import AsyncAPI

    broker = RabbitBroker("amqp://localhost/")
    for heard in hears:
        _declare_heard(broker, heard)
    for said in says:
        _declare_said(broker, said)
    document = AsyncAPI(broker, title=title, version=version, schema_version="3.0.0").to_specification()
    jsonable: dict[str, Any] = document.to_jsonable()
    return jsonable


def _declare_heard(broker: Any, heard: Hears) -> None:
    from faststream import AckPolicy
    from faststream.rabbit import QueueType, RabbitQueue

    for binding in heard.queue.bindings:
        queue = RabbitQueue(
            heard.queue.name, durable=True, queue_type=QueueType.QUORUM, routing_key=binding.routing_key
        )
        declared = broker.subscriber(
            queue,
            _exchange(binding.exchange),
            ack_policy=AckPolicy.MANUAL,
            title=_title(heard, binding.routing_key),
            description=heard.description,
        )
        declared(_taking(_bodies(heard)))


def _declare_said(broker: Any, said: Says) -> None:
    broker.publisher(
        routing_key=said.routing_key,
        exchange=_exchange(said.exchange),
        persist=True,
        title=said.event_type,
        description=said.description,
        schema=envelope(said.event_type, said.model, is_ours=True),
    )


def envelope(event_type: str, model: type[BaseModel], *, is_ours: bool) -> type[BaseModel]:
    """The CloudEvents envelope around the model of one type's data; of others' envelopes only what we look at."""
    name = "".join(part.capitalize() for part in event_type.replace(".", "_").split("_"))
    fields: dict[str, Any] = {
        "specversion": (Literal["1.0"], ...),
        "id": (str, ...),
        "source": (str, ...),
        "type": (Literal[event_type], ...),
        "time": (datetime | None if is_ours else datetime | float | None, None),
        "subject": (str | None, None),
        "data": (model, ...),
    }
    if is_ours:
        fields["datacontenttype"] = (Literal["application/json"], "application/json")
    # Named by its type, so that each has a schema of its own in the document.
    built: type[BaseModel] = create_model(f"{name}Event", **fields)
    return built


def _bodies(heard: Hears) -> list[type[BaseModel]]:
    if not heard.cloud_events:
        return list(heard.models.values())
    return [envelope(event_type, model, is_ours=False) for event_type, model in heard.models.items()]


def _taking(bodies: Sequence[type[BaseModel]]) -> Any:
    async def take(message: Any) -> None: ...

    take.__annotations__["message"] = reduce(or_, bodies)  # FastStream reads the schema off the signature
    return take


def _exchange(name: str) -> Any:
    from faststream.rabbit import ExchangeType, RabbitExchange

    return RabbitExchange(name, type=ExchangeType.TOPIC, durable=True)


def _title(heard: Hears, routing_key: str) -> str:
    """The queue's name; where it has several bindings each is a channel of its own."""
    return heard.queue.name if len(heard.queue.bindings) == 1 else f"{heard.queue.name} ({routing_key})"
