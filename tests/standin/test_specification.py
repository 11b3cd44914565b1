"""That the comparison with Stripe's OpenAPI finds what it should, and that all the stand-in serves is Stripe's."""

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from deploy.local.stripe_standin import Exchange, RunningStandin
from deploy.local.stripe_standin.api.catalogue import OPERATIONS
from deploy.local.stripe_standin.parameters import Parameters
from deploy.local.stripe_standin.work import Operation
from tests.standin.stripe_spec import SpecMissing, stripe_spec


async def a_customer(client: stripe.StripeClient) -> dict[str, Any]:
    return (await client.v1.customers.create_async()).to_dict()


def findings(body: dict[str, Any], params: dict[str, Any] | None = None) -> list[str]:
    return stripe_spec().check_exchange(Exchange("POST", "/v1/customers", params or {}, 200, json.dumps(body)))


async def test_a_true_answer_has_no_findings(client: stripe.StripeClient) -> None:
    assert findings(await a_customer(client)) == []


async def test_an_unknown_property_is_found(client: stripe.StripeClient) -> None:
    assert findings({**await a_customer(client), "shoe_size": 44}) == [
        "POST /v1/customers → 200: $.shoe_size is unknown to Stripe"
    ]


async def test_a_nested_unknown_property_is_found(client: stripe.StripeClient) -> None:
    body = await a_customer(client)
    body["invoice_settings"]["colour"] = "blue"
    assert findings(body) == ["POST /v1/customers → 200: $.invoice_settings.colour is unknown to Stripe"]


@pytest.mark.parametrize("wrong", [{"created": "today"}, {"object": "client"}, {"tax_exempt": "maybe"}, {"id": None}])
async def test_a_wrong_value_is_found(client: stripe.StripeClient, wrong: dict[str, Any]) -> None:
    assert len(findings({**await a_customer(client), **wrong})) >= 1


async def test_a_missing_property_is_found(client: stripe.StripeClient) -> None:
    body = await a_customer(client)
    del body["livemode"]
    assert len(findings(body)) >= 1


async def test_a_parameter_stripe_does_not_take_is_found(client: stripe.StripeClient) -> None:
    body = await a_customer(client)
    assert findings(body, {"emial": "x"}) == ["POST /v1/customers → 200: request.emial is no parameter of Stripe's"]


async def test_an_event_with_a_wrong_object_is_found(client: stripe.StripeClient, standin: RunningStandin) -> None:
    await client.v1.customers.create_async()
    (event,) = await standin.sim.objects("event")
    assert stripe_spec().check_event(event) == []
    event["data"]["object"]["livemode"] = "no"
    assert len(stripe_spec().check_event(event)) == 1


def test_without_the_specification_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    stripe_spec.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecMissing, match="requirements-nodeps"):
        stripe_spec()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_every_operation_and_parameter_is_stripes_own(operation: Operation) -> None:
    assert list(unknown_to_stripe(operation)) == []


def unknown_to_stripe(operation: Operation) -> Iterator[str]:
    spec = stripe_spec()
    assert (operation.method, operation.path) in spec.operations()
    known = spec.document["paths"][operation.path][operation.method.lower()]
    if operation.method == "GET":
        names = {p["name"] for p in known.get("parameters", []) if p["in"] == "query"}
        yield from (name for name in operation.parameters if name not in names)
        return
    body = known["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    yield from unknown_inside(operation.parameters, body, "")


def unknown_inside(parameters: Parameters, schema: dict[str, Any], where: str) -> Iterator[str]:
    known: dict[str, Any] = {}
    for branch in schema.get("anyOf", [schema]):
        known.update(branch.get("properties", {}))
    for name, parameter in parameters.items():
        if name not in known:
            # `card[token]` is taken by Stripe and missing in its specification.
            if (where, name) != (".card", "token"):
                yield f"{where}.{name}"
        elif parameter.fields:
            yield from unknown_inside(parameter.fields, known[name], f"{where}.{name}")
