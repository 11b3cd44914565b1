"""Customers."""

from deploy.local.stripe_standin.errors import Json, missing
from deploy.local.stripe_standin.identifiers import random_text
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    UNSET,
    Parameters,
    group,
    merge_metadata,
    metadata,
    moments,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .events import changed, emit
from .lookups import not_the_customers
from .payment_methods import attach_to_customer, detach_from_customer, resolve_method

ADDRESS: Parameters = {name: text() for name in ("city", "country", "line1", "line2", "postal_code", "state")}
_WRITTEN: Parameters = {
    **EXPAND,
    "address": group(ADDRESS),
    "description": text(),
    "email": text(512),
    "invoice_settings": group({"default_payment_method": text()}),
    "metadata": metadata(),
    "name": text(256),
    "phone": text(20),
}
_DEFAULT_METHOD = "invoice_settings[default_payment_method]"
_PLAIN = ("description", "email", "name", "phone")


def _create(work: Work, request: Request) -> Json:
    body: Json = {
        "id": "cus_" + random_text(14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": work.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    first_card = request.params.pop("payment_method", None)
    _write(work, body, request.params)
    customer = work.store.insert("customer", body)
    emit(work, "customer.created", body)
    if first_card:
        attach_to_customer(work, resolve_method(work, first_card), customer.id)
    return body


def _write(work: Work, body: Json, params: Json) -> None:
    for name in _PLAIN:
        if name in params:
            body[name] = params[name] or None
    if "address" in params:
        given = params["address"]
        body["address"] = None if given == UNSET else {part: given.get(part) or None for part in ADDRESS}
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    default = params.get("invoice_settings", {})
    if "default_payment_method" in default:
        chosen = default["default_payment_method"] or None
        if chosen:
            method = work.store.require("payment_method", chosen, _DEFAULT_METHOD, status=400)
            if method.body["customer"] != body["id"]:
                raise not_the_customers(chosen, _DEFAULT_METHOD)
        body["invoice_settings"]["default_payment_method"] = chosen


def _update(work: Work, request: Request) -> Json:
    customer = _existing(work, request)
    before = {**customer.body, "invoice_settings": dict(customer.body["invoice_settings"])}
    _write(work, customer.body, request.params)
    work.store.save(customer)
    difference = changed(before, customer.body)
    if difference:
        emit(work, "customer.updated", customer.body, difference)
    return customer.body


def _retrieve(work: Work, request: Request) -> Json:
    return work.store.require("customer", request.ids["customer"], "id").body


def _existing(work: Work, request: Request) -> Record:
    customer = work.store.require("customer", request.ids["customer"], "id")
    if customer.body.get("deleted"):
        raise missing("customer", customer.id, "id")
    return customer


def _delete(work: Work, request: Request) -> Json:
    customer = _existing(work, request)
    for method in list(work.store.each("payment_method", customer=customer.id)):
        detach_from_customer(work, method)
    emit(work, "customer.deleted", customer.body)
    customer.body = {"id": customer.id, "object": "customer", "deleted": True}
    work.store.save(customer)
    return customer.body


def _list(work: Work, request: Request) -> Json:
    email = request.params.get("email")

    def fits(customer: Record) -> bool:
        return not customer.body.get("deleted") and (email is None or customer.body["email"] == email)

    return page(work, request, "customer", "/v1/customers", fits=fits)


OPERATIONS = (
    Operation("POST", "/v1/customers", _create, {**_WRITTEN, "payment_method": text()}),
    Operation("GET", "/v1/customers", _list, {**PAGE, "created": moments(), "email": text(512)}),
    Operation("GET", "/v1/customers/{customer}", _retrieve, EXPAND),
    Operation("POST", "/v1/customers/{customer}", _update, _WRITTEN),
    Operation("DELETE", "/v1/customers/{customer}", _delete),
)
