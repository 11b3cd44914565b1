"""Who may use which route: one case for every route of docs/specs/openapi.json (contract §0, Auth).

`platform`        a platform key alone: others 403
`own`             the key's own account, or the one named in Ringfence-Account
`agencys`         an agency, for itself
`agencys_object`  an object that an agency made
`clients_agency`  an agency, about its client; the client itself 403
`client`          an agency about its client, or the client about itself
`request`         a payment request: as `client`
`change_request`  as `clients_agency`
`requests`        a list for agencies and clients
`events`          `/v1/accounts/{account_id}/events`: the account itself or its agency
`link`            the platform, or an agency for itself and its clients
`page`            a page for browsers: it leads somewhere, whoever asks
`open`            anybody
"""

from typing import Final

BY_CASE: Final[dict[str, tuple[str, ...]]] = {
    "open": ("GET /healthz", "GET /readyz", "GET /metrics", "POST /v1/stripe/webhook"),
    "page": ("GET /billing/setup-checkout",),
    "platform": (
        "GET /v1/accounts",
        "POST /v1/accounts",
        "GET /v1/accounts/{account_id}",
        "PATCH /v1/accounts/{account_id}",
        "POST /v1/accounts/{account_id}/adjustments",
        "GET /v1/accounts/{account_id}/keys",
        "POST /v1/accounts/{account_id}/keys",
        "DELETE /v1/accounts/{account_id}/keys/{key_id}",
        "GET /v1/accounts/{account_id}/prices",
        "PUT /v1/accounts/{account_id}/prices",
        "POST /v1/accounts/{account_id}/reinstate",
        "POST /v1/accounts/{account_id}/suspend",
        "POST /v1/checks/call",
        "POST /v1/checks/call/{call_id}/extend",
        "POST /v1/checks/campaign",
        "POST /v1/checks/chat",
        "POST /v1/checks/sms",
        "GET /v1/checks/{kind}/{id}",
        "POST /v1/checks/{kind}/{id}/release",
        "GET /v1/holds",
        "GET /v1/numbers",
        "POST /v1/numbers/{number_id}/reinstate",
        "POST /v1/numbers/{number_id}/suspend",
        "POST /v1/ops-sessions",
        "GET /v1/prices",
        "PUT /v1/prices",
        "POST /v1/prices/quote",
        "POST /v1/test/clock",
        "POST /v1/transactions/{transaction_id}/refund",
        "POST /v1/usage",
    ),
    "own": (
        "GET /v1/billing",
        "PATCH /v1/billing",
        "POST /v1/billing/default-payment-method",
        "GET /v1/billing/notice",
        "GET /v1/billing/payment-methods",
        "DELETE /v1/billing/payment-methods/{payment_method_id}",
        "POST /v1/billing/setup-checkout",
        "POST /v1/billing/setup-intent",
        "POST /v1/billing/top-up",
        "GET /v1/billing/transactions",
        "GET /v1/billing/transactions/{transaction_id}/receipt",
        "GET /v1/events",
        "GET /v1/wallet",
        "GET /v1/wallet/analytics",
        "PATCH /v1/wallet/auto-recharge",
        "GET /v1/wallet/balance",
        "GET /v1/wallet/pricing",
        "POST /v1/wallet/topup",
        "GET /v1/wallet/transactions",
    ),
    "events": ("GET /v1/accounts/{account_id}/events",),
    "link": ("POST /v1/accounts/{account_id}/portal-sessions",),
    "agencys": (
        "GET /v1/clients",
        "POST /v1/clients",
        "GET /v1/packs",
        "POST /v1/packs",
        "GET /v1/plans",
        "POST /v1/plans",
    ),
    "agencys_object": (
        "GET /v1/packs/{pack_id}",
        "PATCH /v1/packs/{pack_id}",
        "GET /v1/plans/{plan_id}",
        "PATCH /v1/plans/{plan_id}",
    ),
    "clients_agency": (
        "PATCH /v1/clients/{client_id}",
        "PUT /v1/clients/{client_id}/packs",
        "POST /v1/clients/{client_id}/packs/{pack_id}/apply",
        "DELETE /v1/clients/{client_id}/plan",
        "PUT /v1/clients/{client_id}/plan",
        "POST /v1/clients/{client_id}/subscription/cancel",
    ),
    "client": (
        "GET /v1/clients/{client_id}",
        "GET /v1/clients/{client_id}/access",
        "GET /v1/clients/{client_id}/packs",
        "GET /v1/clients/{client_id}/plan",
        "GET /v1/clients/{client_id}/subscription",
        "POST /v1/clients/{client_id}/subscription",
        "GET /v1/clients/{client_id}/usage",
    ),
    "request": ("GET /v1/payment-requests/{request_id}",),
    "change_request": ("PATCH /v1/payment-requests/{request_id}",),
    "requests": ("GET /v1/payment-requests",),
}
CASES: Final = {route: case for case, routes in BY_CASE.items() for route in routes}

STRANGERS: Final[dict[str, dict[str, int]]] = {
    "platform": {"account": 403, "agency": 403, "client": 403},
    "own": {"account": 404, "agency": 404, "client": 404},
    "events": {"account": 404, "agency": 404, "client": 404},
    "link": {"account": 403, "agency": 404, "client": 403},
    "agencys": {"account": 403, "agency": 404, "client": 403},
    "agencys_object": {"account": 403, "agency": 404, "client": 403},
    "clients_agency": {"account": 404, "agency": 404, "client": 404},
    "client": {"account": 404, "agency": 404, "client": 404},
    "request": {"account": 404, "agency": 404, "client": 404},
    "change_request": {"account": 404, "agency": 404, "client": 404},
    "requests": {"account": 404, "agency": 404, "client": 404},
}
"""What a key of another account, of another agency and of another agency's client is told."""
