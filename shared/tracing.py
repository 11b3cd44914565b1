"""OpenTelemetry traces, where they are wanted: the extra `tracing` installed, OTEL_EXPORTER_OTLP_ENDPOINT set.

Otherwise nothing of OpenTelemetry is imported and every function here returns at once. What the exporter, the sampler
and the name are is up to OpenTelemetry's own variables (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, …).
No span holds what a customer sent or a path with an id in it: routes, queues, event types and our own SQL only.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import structlog

from shared import strict_json

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, Tracer

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACEPARENT = "traceparent"
LINKS_MAX = 128

Kind = Literal["internal", "server", "client", "producer", "consumer"]

log = structlog.get_logger(__name__)

_provider: "TracerProvider | None" = None
_tracer: "Tracer | None" = None


def start(exporter: "SpanExporter | None" = None) -> bool:
    """Begin to trace if it is wanted; `exporter` is for tests. Returns whether this call began it."""
    global _provider, _tracer
    if _tracer is not None or (exporter is None and not os.environ.get(ENDPOINT)):
        return False
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    except ImportError:
        log.warning(
            "not_traced", reason=f"{ENDPOINT} is set, but the extra is missing: pip install 'ringfence[tracing]'"
        )
        return False
    _provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "ringfence")})
    )
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        _provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracer = _provider.get_tracer("ringfence")
    return True


def stop() -> None:
    """Send what is left, and trace no more."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def is_on() -> bool:
    return _tracer is not None


@contextmanager
def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: "Context | None" = None,
    links: "Sequence[SpanContext]" = (),
    attributes: Mapping[str, str | int] | None = None,
) -> "Iterator[Span | None]":
    """A span around the block, current inside it; None when nothing is traced. An exception marks it as failed."""
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace import Link, SpanKind

    with _tracer.start_as_current_span(
        name,
        context=parent,
        kind=SpanKind[kind.upper()],
        links=[Link(context) for context in links[:LINKS_MAX]],
        attributes=attributes,
    ) as current:
        yield current


def here() -> "SpanContext | None":
    """Where we are, to link to from elsewhere; None when nothing is traced."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return context if context.is_valid else None


def told_by(headers: Mapping[str, str]) -> "Context | None":
    """The context a caller sent as W3C `traceparent`; None when there is none that makes sense."""
    if _tracer is None or TRACEPARENT not in headers:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({TRACEPARENT: headers[TRACEPARENT]})


def told_by_events(bodies: Iterable[bytes]) -> "list[SpanContext]":
    """Of CloudEvents: the contexts in their `traceparent` attribute (CloudEvents, Distributed Tracing extension)."""
    if _tracer is None:
        return []
    from opentelemetry.trace import get_current_span

    found: dict[int, SpanContext] = {}
    for body in bodies:
        for event in _events(body):
            context = told_by({TRACEPARENT: event[TRACEPARENT]})
            told = get_current_span(context).get_span_context() if context is not None else None
            if told is not None and told.is_valid:
                found[told.span_id] = told
    return [*found.values()]


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    if TRACEPARENT.encode() not in body:  # most have none, and taking a body apart twice is not free
        return
    try:
        value = strict_json.loads(body)
    except strict_json.NotStrictJson:
        return
    for event in value if isinstance(value, list) else [value]:
        if isinstance(event, dict) and isinstance(event.get(TRACEPARENT), str):
            yield event


def parent_of(contexts: "Sequence[SpanContext]") -> "Context | None":
    """The parent where all was told by one; several are linked to instead."""
    if len(contexts) != 1:
        return None
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return set_span_in_context(NonRecordingSpan(contexts[0]))


def follow_statements(connection: asyncpg.Connection) -> None:
    """A span for each statement that runs within another span."""
    if _tracer is not None:
        connection.add_query_logger(_write_down)


def _write_down(query: Any) -> None:
    """The driver tells of a statement when it is over. Its arguments are a customer's: they stay out."""
    if _tracer is None:
        return
    from opentelemetry.trace import SpanKind, get_current_span

    if not get_current_span().is_recording():
        return
    ended = time.time_ns()
    statement = _tracer.start_span(
        query.query.split(None, 1)[0][:20] if query.query.strip() else "statement",
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": query.query},
        start_time=ended - int(query.elapsed * 1e9),
    )
    if query.exception is not None:
        statement.set_attribute("error.type", type(query.exception).__name__)
    statement.end(ended)
