"""Contract §0, Auth: keys, and who reads what. Every route with every kind of key: `tests/tenants`."""

import asyncio

import httpx

from services.ledger.service import LEDGER
from shared.runtime import Hosted
from tests.conftest import HostServices
from tests.services.ledger_api.conftest import ClientOf, OpenAccount, error_of, until

OWN_ROUTES = (
    "/v1/billing/transactions",
    "/v1/wallet/transactions",
    "/v1/wallet/balance",
    "/v1/wallet/pricing",
    "/v1/wallet/analytics",
)


async def test_a_key_reads_its_own_account_without_naming_it(open_account: OpenAccount, client_of: ClientOf) -> None:
    """«*Account* key: its own §5, §6, events.»"""
    own = await client_of((await open_account(id="acme"))["api_key"])
    for path in (*OWN_ROUTES, "/v1/accounts/acme/events"):
        assert (await own.get(path)).status_code == 200, path


async def test_a_platform_key_names_the_account(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«§5, §6 and events with a platform or agency key need the header `Ringfence-Account: <account_id>` (else 422
    `account_required`).»"""
    await open_account(id="acme")
    for path in OWN_ROUTES:
        assert error_of(await platform.get(path)) == (422, "account_required")
        named = await platform.get(path, headers={"Ringfence-Account": "acme"})
        assert named.status_code == 200
        unknown = await platform.get(path, headers={"Ringfence-Account": "nobody"})
        assert error_of(unknown) == (404, "not_found")


async def test_an_agency_reads_its_clients_and_nobody_else(open_account: OpenAccount, client_of: ClientOf) -> None:
    """«*Agency* account's key: also §7 and its clients.» «another tenant's object → 404 `not_found`»."""
    agency = await client_of((await open_account(id="agency", agency=True))["api_key"])
    await open_account(id="client", parent_id="agency")
    await open_account(id="stranger")
    for path in OWN_ROUTES:
        assert error_of(await agency.get(path)) == (422, "account_required")
        for account_id, status in (("client", 200), ("agency", 200), ("stranger", 404), ("nobody", 404)):
            answer = await agency.get(path, headers={"Ringfence-Account": account_id})
            assert answer.status_code == status, (path, account_id)
    assert (await agency.get("/v1/accounts/client/events")).status_code == 200
    assert error_of(await agency.get("/v1/accounts/stranger/events")) == (404, "not_found")


async def test_anothers_account_looks_like_one_that_does_not_exist(
    open_account: OpenAccount, client_of: ClientOf
) -> None:
    """«404 `not_found`, the same answer as for one that does not exist»."""
    own = await client_of((await open_account(id="acme"))["api_key"])
    await open_account(id="other")
    theirs, nobodys = [await own.get(f"/v1/accounts/{account_id}/events") for account_id in ("other", "nobody")]
    assert theirs.status_code == nobodys.status_code == 404
    assert _without_request_id(theirs) == _without_request_id(nobodys)
    for path in OWN_ROUTES:
        assert error_of(await own.get(path, headers={"Ringfence-Account": "other"})) == (404, "not_found")


def _without_request_id(answer: httpx.Response) -> dict[str, object]:
    return {key: value for key, value in answer.json()["error"].items() if key != "request_id"}


async def test_basic_auth_works_as_bearer_does(ringfence: Hosted, open_account: OpenAccount) -> None:
    """«Basic auth (any user, key as password) works as Bearer does.»"""
    key = (await open_account())["api_key"]
    async with httpx.AsyncClient(base_url=ringfence.url, auth=("anybody", key)) as own:
        assert (await own.get("/v1/billing/transactions")).status_code == 200


async def test_keys_are_made_and_listed_without_their_secret(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf
) -> None:
    """«`…/keys` → 201, `GET …/keys`»; «Keys are stored hashed, shown once»."""
    first = (await open_account(id="acme"))["api_key"]
    made = await platform.post("/v1/accounts/acme/keys", json={"name": "dashboard"})
    assert made.status_code == 201
    second = made.json()["api_key"]
    assert second != first
    assert (await (await client_of(second)).get("/v1/wallet/balance")).status_code == 200

    listed = await platform.get("/v1/accounts/acme/keys")
    page = listed.json()
    assert [key["name"] for key in page["data"]] == ["dashboard", "first key"]
    assert page["total"] == 2
    assert page["data"][0]["id"] == made.json()["id"]
    assert first not in listed.text
    assert second not in listed.text


async def test_no_secret_is_in_the_books(open_account: OpenAccount, ringfence: Hosted) -> None:
    """«Keys are stored hashed»."""
    secret = (await open_account())["api_key"]
    async with ringfence.host.open_pool("audit") as pool:
        for table in ("api_keys", "idempotency_keys", "events", "accounts"):
            rows = await pool.fetch(f"SELECT t::text AS row FROM ledger.{table} AS t")
            assert all(secret not in row["row"] for row in rows), table


async def test_a_revoked_key_ends_within_ten_seconds(host_services: HostServices) -> None:
    """«revocable (effective within 10 s)»: also one that was in use a moment before."""
    hosted = await host_services(key_cache_seconds=0.5)
    headers = {"Authorization": f"Bearer {hosted.host.settings.platform_key}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers) as platform:
        opened = (await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})).json()
        own = {"Authorization": f"Bearer {opened['api_key']}"}
        assert (await platform.get("/v1/wallet/balance", headers=own)).status_code == 200
        (key,) = (await platform.get("/v1/accounts/acme/keys")).json()["data"]
        for _ in range(2):
            assert (await platform.delete(f"/v1/accounts/acme/keys/{key['id']}")).status_code == 204
        await asyncio.sleep(0.6)
        assert error_of(await platform.get("/v1/wallet/balance", headers=own)) == (401, "unauthorized")
        (listed,) = (await platform.get("/v1/accounts/acme/keys")).json()["data"]
        assert listed["revoked_at"] is not None


async def test_the_platform_key_of_the_settings_is_the_only_one_they_give(host_services: HostServices) -> None:
    """«revocable (effective within 10 s)»: a replaced platform key ends everywhere once a ledger starts with the new."""

    async def status(hosted: Hosted, key: str) -> int:
        async with httpx.AsyncClient(base_url=hosted.url, headers={"Authorization": f"Bearer {key}"}) as client:
            return (await client.get("/v1/accounts")).status_code

    old, new = "rf_the_old_one", "rf_the_new_one"
    replica = await host_services(LEDGER, platform_key=old, key_cache_seconds=0.2)
    assert await status(replica, old) == 200
    await host_services(LEDGER, platform_key=new)
    for good, ended in ((new, old), (old, new)):

        async def has_changed(good: str = good, ended: str = ended) -> bool:
            return (await status(replica, good), await status(replica, ended)) == (200, 401)

        await until(has_changed)
        await host_services(LEDGER, platform_key=old)


async def test_a_key_of_another_account_is_not_revoked(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf
) -> None:
    await open_account(id="acme")
    other = await client_of((await open_account(id="other"))["api_key"])
    (key,) = (await platform.get("/v1/accounts/other/keys")).json()["data"]
    refused = await platform.delete(f"/v1/accounts/acme/keys/{key['id']}")
    assert error_of(refused) == (404, "not_found")
    assert (await other.get("/v1/wallet/balance")).status_code == 200
