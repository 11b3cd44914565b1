"""Traces: one request or event can be followed through the system, and nothing is traced unless it is wanted."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from shared import tracing
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY, HostServices
from tests.operations.test_metrics import usage

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
CALL = {"account_id": "acme", "call_id": "c1", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    assert tracing.start(exporter)
    yield exporter
    tracing.stop()


@pytest.fixture
async def traced(spans: InMemorySpanExporter, host_services: HostServices) -> Hosted:
    return await host_services()


@pytest.fixture
async def client(traced: Hosted) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=traced.url, headers=headers, timeout=30) as client:
        await client.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
        yield client


async def seen(spans: InMemorySpanExporter, name: str, **wanted: str) -> ReadableSpan:
    """The first finished span of this name; `trace` and `parent` as hexadecimal ids."""
    async with asyncio.timeout(20):
        while True:
            for span in spans.get_finished_spans():
                assert span.context is not None
                ids = {
                    "trace": f"{span.context.trace_id:032x}",
                    "parent": f"{span.parent.span_id:016x}" if span.parent else "",
                }
                if span.name == name and all(ids[key] == value for key, value in wanted.items()):
                    return span
            await asyncio.sleep(0.05)


async def test_a_check_is_one_trace_from_the_callers_own(
    client: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    """The request is a child of what the switch sent; the batch that decided it links to it."""
    answer = await client.post("/v1/checks/call", json=CALL, headers={"traceparent": TRACEPARENT})
    assert answer.status_code == 200
    request = await seen(spans, "POST /v1/checks/call", trace=TRACE, parent=PARENT)
    assert request.kind is SpanKind.SERVER
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    settled = [span for span in spans.get_finished_spans() if span.name == "settle checks"]
    assert request.context is not None
    assert [link.context.span_id for span in settled for link in span.links] == [request.context.span_id]


async def test_usage_is_followed_from_its_event_to_the_commit(
    client: httpx.AsyncClient, spans: InMemorySpanExporter
) -> None:
    """CloudEvents carry `traceparent`: the batch that billed it is its child, the transaction a child of that."""
    await client.post("/v1/usage", json={**usage("e1"), "traceparent": TRACEPARENT})
    batch = await seen(spans, "process ledger.charge_usage", trace=TRACE, parent=PARENT)
    assert batch.kind is SpanKind.CONSUMER
    assert batch.context is not None
    transaction = await seen(spans, "transaction", parent=f"{batch.context.span_id:016x}")
    assert transaction.context is not None
    of_it = [
        span
        for span in spans.get_finished_spans()
        if span.parent is not None and span.parent.span_id == transaction.context.span_id
    ]
    assert {"db.query.text", "db.system.name"} <= {name for span in of_it for name in span.attributes or {}}
    assert (await seen(spans, "publish ringfence.events")).kind is SpanKind.PRODUCER


def test_events_of_several_traces_are_linked_to(spans: InMemorySpanExporter) -> None:
    other = f"00-{TRACE[::-1]}-{PARENT[::-1]}-01"
    both = [{**usage("e1"), "traceparent": TRACEPARENT}, {**usage("e2"), "traceparent": other}, usage("e3")]
    links = {context.trace_id for context in tracing.told_by_events([*map(_json, both), b"not JSON traceparent"])}
    assert links == {int(TRACE, 16), int(TRACE[::-1], 16)}
    assert tracing.parent_of(tracing.told_by_events([*map(_json, both)])) is None
    assert tracing.told_by_events([_json({**usage("e4"), "traceparent": "00-nonsense"})]) == []


async def test_no_span_tells_what_a_customer_sent(client: httpx.AsyncClient, spans: InMemorySpanExporter) -> None:
    made = await client.post("/v1/accounts/acme/keys", json={"name": "second"})
    await client.post("/v1/checks/call", json=CALL)
    await client.post("/v1/checks/call/c1/extend", json={"account_id": "acme", "seconds": 120})
    await client.post("/v1/accounts/acme/portal-sessions")
    await client.get("/v1/accounts/acme?a=secret-in-a-query")
    await seen(spans, "POST /v1/checks/call/{id}/extend")
    written = str([(span.name, dict(span.attributes or {})) for span in spans.get_finished_spans()])
    for secret in (made.json()["api_key"], PLATFORM_KEY, CALL["to"], CALL["call_id"], "acme", "secret-in-a-query"):
        assert secret not in written.replace("{id}", ""), secret


def test_without_the_variable_nothing_of_it_is_even_imported() -> None:
    """No cost when off."""
    program = """
import sys
import services.everything
from shared import tracing
assert not tracing.start() and not tracing.is_on()
with tracing.span("nothing") as span:
    assert span is None
print([name for name in sys.modules if name.startswith("opentelemetry.sdk") or name.startswith("opentelemetry.exporter")])
"""
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def _json(value: object) -> bytes:
    return orjson.dumps(value)
