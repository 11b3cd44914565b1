"""An agency at work: plans, packs, clients, payment requests. Asked with the agency's own key."""

from dataclasses import dataclass
from typing import Any

from deploy.demo.day import Customer, Day


@dataclass(frozen=True)
class Agency:
    """The agency's account, and what it sells."""

    account: Customer
    plan_id: str
    pack_id: str

    @property
    def key(self) -> str:
        return self.account.key


async def open_agency(day: Day, id: str, name: str, plan: dict[str, Any], pack: dict[str, Any]) -> Agency:
    """An agency with one plan and one pack."""
    account = await day.open_account(id, name, "", agency=True, signup_credit_cents=0)
    made = [
        await day.http.ask("POST", path, body, wants=201, key=account.key)
        for path, body in (("/v1/plans", plan), ("/v1/packs", pack))
    ]
    return Agency(account, *(one["id"] for one in made))


async def open_client(day: Day, agency: Agency, id: str, name: str, phone: str) -> Customer:
    """A client with the plan and the pack assigned."""
    opened = await day.http.ask("POST", "/v1/clients", {"id": id, "name": name}, wants=201, key=agency.key)
    client = day.add_customer(id, name, phone, opened["api_key"], agency_key=agency.key)
    await day.http.ask("PUT", f"/v1/clients/{id}/plan", {"plan_id": agency.plan_id}, key=agency.key)
    await day.http.ask("PUT", f"/v1/clients/{id}/packs", {"pack_ids": [agency.pack_id]}, key=agency.key)
    return client


async def start(day: Day, agency: Agency, client: Customer) -> None:
    await day.http.ask("POST", f"/v1/clients/{client.id}/subscription", wants=201, key=agency.key)


async def apply_pack(day: Day, agency: Agency, client: Customer) -> None:
    path = f"/v1/clients/{client.id}/packs/{agency.pack_id}/apply"
    await day.http.ask("POST", path, {"payment_status": "paid"}, wants=201, key=agency.key)


async def requests(day: Day, agency: Agency, client: Customer) -> list[dict[str, Any]]:
    """The client's payment requests, oldest first."""
    page = await day.http.ask("GET", f"/v1/payment-requests?client_id={client.id}&limit=200", key=agency.key)
    found: list[dict[str, Any]] = page["data"]
    return found[::-1]


async def paid(day: Day, agency: Agency, request: dict[str, Any], reference: str) -> None:
    """The agency has its money, from elsewhere, and says so."""
    body = {"status": "paid", "external_reference": reference}
    await day.http.ask("PATCH", f"/v1/payment-requests/{request['id']}", body, key=agency.key)
