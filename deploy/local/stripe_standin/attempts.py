"""Trying a card for a payment: decline, 3-D Secure, money, and what follows from each."""

import copy
from typing import Any

from .api.charges import record_charge
from .api.disputes import open_dispute
from .api.events import emit
from .api.payment_methods import attach_to_customer, refuse_card
from .cards import AUTHENTICATION_REQUIRED, CARDS, Card, Decline
from .errors import InvalidRequest, Json
from .store import Record
from .work import Work

AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
    "PaymentMethod to attempt to fulfill this PaymentIntent again."
)


def card_of(method: Record) -> Card:
    return CARDS[method.private["card"]]


def next_action(work: Work, intent: Json, return_url: str | None) -> Json:
    """Where the customer authenticates: a redirect when the caller said where to return, else Stripe.js."""
    url = f"{work.settings.public_base}/3ds/{intent['id']}?client_secret={intent['client_secret']}"
    if return_url:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}
    sdk = {"type": "three_d_secure_redirect", "source": intent["id"], "stripe_js": url}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}


def try_payment(
    work: Work, intent: Record, method: Record, *, off_session: bool, refuse_action: bool, return_url: str | None
) -> None:
    """Confirm: the intent succeeds, asks for authentication, or CardRefused is raised with everything recorded.

    `refuse_action` is Stripe's `error_on_requires_action`.
    """
    body = intent.body
    body.update(payment_method=method.id, next_action=None, last_payment_error=None)
    needed = card_of(method).needs_authentication(off_session=off_session, set_up=method.private["set_up"])
    if not needed:
        charge_method(work, intent, method, authenticated=False)
    elif off_session or refuse_action:
        _decline(work, intent, method, AUTHENTICATION_REQUIRED, authenticated=False)
    else:
        body.update(status="requires_action", next_action=next_action(work, body, return_url))
        work.store.save(intent)
        emit(work, "payment_intent.requires_action", body)


def charge_method(work: Work, intent: Record, method: Record, *, authenticated: bool) -> None:
    """Take the money, or raise CardRefused."""
    card = card_of(method)
    if card.decline:
        _decline(work, intent, method, card.decline, authenticated=authenticated)
    body = intent.body
    body.update(status="succeeded", amount_received=body["amount"], next_action=None)
    charge = record_charge(work, body, method, card, decline=None, authenticated=authenticated)
    body["latest_charge"] = charge.id
    work.store.save(intent)
    _keep_or_spend(work, body, method, authenticated)
    emit(work, "payment_intent.succeeded", body)
    if card.dispute:
        reason = "general" if card.dispute == "inquiry" else card.dispute
        open_dispute(work, charge, amount=body["amount"], reason=reason, is_inquiry=card.dispute == "inquiry")


def _keep_or_spend(work: Work, intent: Json, method: Record, authenticated: bool) -> None:
    reuse = intent["setup_future_usage"]
    if reuse and intent["customer"]:
        method.private["set_up"] = method.private["set_up"] or authenticated
        attach_to_customer(work, method, intent["customer"])
    elif method.body["customer"] is None:
        method.private["spent"] = True
    work.store.save(method)


def _decline(work: Work, intent: Record, method: Record, decline: Decline, *, authenticated: bool) -> None:
    body = intent.body
    charge = record_charge(work, body, method, card_of(method), decline=decline, authenticated=authenticated)
    refusal = refuse_card(decline, charge=charge.id, payment_method=copy.deepcopy(method.body))
    _back_to_start(work, intent, refusal.error, charge.id)
    refusal.error["payment_intent"] = copy.deepcopy(body)
    raise refusal


def fail_authentication(work: Work, intent: Record, method: Record) -> None:
    """The customer failed 3-D Secure: no charge is made, the intent waits for another card."""
    failure = InvalidRequest(AUTHENTICATION_FAILED, code="payment_intent_authentication_failure")
    _back_to_start(work, intent, {**failure.error, "payment_method": copy.deepcopy(method.body)}, None)


def _back_to_start(work: Work, intent: Record, error: Any, charge_id: str | None) -> None:
    body = intent.body
    body.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=copy.deepcopy(error),
        latest_charge=charge_id or body["latest_charge"],
    )
    work.store.save(intent)
    emit(work, "payment_intent.payment_failed", body)
