"""Disputes: opened by the bank (a test card or the control plane), answered and closed by the merchant."""

from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    boolean,
    group,
    merge_metadata,
    metadata,
    moments,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .balance_transactions import DISPUTE_FEE_CENTS, record_balance_change
from .events import changed, emit

_ANSWER_SECONDS = 7 * 24 * 3600
_TEXTS = [
    "access_activity_log",
    "billing_address",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_tracking_number",
    "uncategorized_text",
]
_FILES = [
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
]
_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")


def open_dispute(work: Work, charge: Record, *, amount: int, reason: str, is_inquiry: bool) -> Record:
    """An inquiry takes no money; a chargeback takes the amount and a fee at once."""
    body = {
        "id": new_stripe_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge.id,
        "created": work.now,
        "currency": charge.body["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys([*_TEXTS, *_FILES]), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": work.now + _ANSWER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": is_inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge.body["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge.body["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if is_inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if is_inquiry else "needs_response",
    }
    dispute = work.store.insert("dispute", body)
    charge.body["disputed"] = True
    work.store.save(charge)
    emit(work, "charge.dispute.created", body)
    if not is_inquiry:
        _withdraw(work, dispute)
    return dispute


def escalate_inquiry(work: Work, dispute: Record) -> None:
    """The inquiry became a chargeback: now the money is taken."""
    before = dict(dispute.body)
    details = dispute.body["payment_method_details"]
    details = {**details, "card": {**details["card"], "case_type": "chargeback"}}
    dispute.body.update(status="needs_response", is_charge_refundable=False, payment_method_details=details)
    work.store.save(dispute)
    emit(work, "charge.dispute.updated", dispute.body, changed(before, dispute.body))
    _withdraw(work, dispute)


def close_dispute(work: Work, dispute: Record, status: str) -> None:
    """`won` gives the money back, `lost` and `warning_closed` change nothing more."""
    if dispute.body["status"] not in _OPEN:
        raise InvalidRequest("This dispute is already closed.", param="dispute")
    if dispute.body["status"].startswith("warning_"):
        status = "warning_closed"
    dispute.body["status"] = status
    work.store.save(dispute)
    emit(work, "charge.dispute.closed", dispute.body)
    if status == "won":
        _reinstate(work, dispute)


def _withdraw(work: Work, dispute: Record) -> None:
    _move(work, dispute, -dispute.body["amount"], "dispute", fee=DISPUTE_FEE_CENTS)
    emit(work, "charge.dispute.funds_withdrawn", dispute.body)


def _reinstate(work: Work, dispute: Record) -> None:
    before = {"balance_transactions": list(dispute.body["balance_transactions"])}
    _move(work, dispute, dispute.body["amount"], "dispute_reversal", fee=-DISPUTE_FEE_CENTS)
    emit(work, "charge.dispute.funds_reinstated", dispute.body, before)


def _move(work: Work, dispute: Record, amount: int, category: str, *, fee: int) -> None:
    currency = dispute.body["currency"]
    change = record_balance_change(
        work, "adjustment", dispute.id, amount=amount, currency=currency, fee=fee, category=category
    )
    dispute.body["balance_transactions"].append(change)
    work.store.save(dispute)


def _update(work: Work, request: Request) -> Json:
    dispute = work.store.require("dispute", request.ids["dispute"], "id")
    before = {**dispute.body, "evidence_details": dict(dispute.body["evidence_details"])}
    body, params = dispute.body, request.params
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    evidence = params.get("evidence") or {}
    body["evidence"] = {**body["evidence"], **evidence}
    submitted = bool(evidence) and params.get("submit", True)
    if evidence:
        body["evidence_details"]["has_evidence"] = True
    if submitted:
        body["evidence_details"]["submission_count"] += 1
        body["status"] = body["status"].replace("needs_response", "under_review")
    work.store.save(dispute)
    emit(work, "charge.dispute.updated", body, changed(before, body))
    verdict = {"winning_evidence": "won", "losing_evidence": "lost"}.get(evidence.get("uncategorized_text", ""))
    if submitted and verdict:
        close_dispute(work, dispute, verdict)
    return dispute.body


def _close(work: Work, request: Request) -> Json:
    dispute = work.store.require("dispute", request.ids["dispute"], "id")
    close_dispute(work, dispute, "lost")
    return dispute.body


def _list(work: Work, request: Request) -> Json:
    where = {name: request.params.get(name) for name in ("charge", "payment_intent")}
    return page(work, request, "dispute", "/v1/disputes", where=where)


def _retrieve(work: Work, request: Request) -> Json:
    return work.store.require("dispute", request.ids["dispute"], "id").body


_UPDATED: Parameters = {
    **EXPAND,
    "evidence": group({name: text(20_000) for name in _TEXTS}),
    "metadata": metadata(),
    "submit": boolean(),
}
_FILTERS: Parameters = {"charge": text(), "payment_intent": text(), "created": moments()}
OPERATIONS = (
    Operation("GET", "/v1/disputes", _list, {**PAGE, **_FILTERS}),
    Operation("GET", "/v1/disputes/{dispute}", _retrieve, EXPAND),
    Operation("POST", "/v1/disputes/{dispute}", _update, _UPDATED),
    Operation("POST", "/v1/disputes/{dispute}/close", _close, EXPAND),
)
