"""The keys that `ringfence run` makes for itself and keeps beside its servers, mode 0600."""

import secrets
from pathlib import Path

import httpx

from services.commands.environment import write_private
from services.commands.failures import CommandFailed

DEMO_ACCOUNT = "demo"
DEMO_NAME = "Demo customer"


def platform_key(folder: Path) -> str:
    """The platform key of this folder, the same on every start; made on the first."""
    path = folder / "platform.key"
    known = _read(path)
    if known is None:
        known = f"rf_platform_{secrets.token_urlsafe(24)}"
        write_private(path, known)
    return known


async def demo_key(folder: Path, client: httpx.AsyncClient) -> str:
    """A key of the account `demo`, which is opened once; `client` holds the platform key.

    The last one made is kept, and used for as long as this database knows it.
    """
    path = folder / "demo.key"
    known = _read(path)
    if known is not None and await _still_opens(known, client):
        return known
    opened = await client.post("/v1/accounts", json={"id": DEMO_ACCOUNT, "name": DEMO_NAME})
    if opened.status_code == httpx.codes.CONFLICT:
        opened = await client.post(f"/v1/accounts/{DEMO_ACCOUNT}/keys", json={"name": "ringfence run"})
    if not opened.is_success:
        raise CommandFailed(f"the demo account could not be opened: {opened.text[:300]}")
    key: str = opened.json()["api_key"]
    write_private(path, key)
    return key


async def _still_opens(key: str, client: httpx.AsyncClient) -> bool:
    answer = await client.get(
        "/v1/billing/transactions", params={"limit": 1}, headers={"Authorization": f"Bearer {key}"}
    )
    return answer.is_success


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
