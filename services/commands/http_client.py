"""Ringfence over HTTP as an operator asks it: with the platform key, refusals as clear lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from services.commands.environment import setting
from services.commands.failures import CommandFailed, ExitCode

TIMEOUT_SECONDS = 60.0
SERVER_ERROR = 500


class Api:
    """One base URL and key. Every call raises CommandFailed for a refusal, httpx.TransportError for no answer."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **query: object) -> Any:
        return self.ask("GET", path, query=query)

    def find(self, path: str, headers: dict[str, str] | None = None, **query: object) -> Any | None:
        """The same; None for what is not there, also for a route that is not hosted."""
        answer = self._send("GET", path, query, None, headers or {})
        return None if answer.status_code == httpx.codes.NOT_FOUND else _body(answer)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The decoded answer of a request that succeeded."""
        return _body(self._send(method, path, query or {}, body, headers or {}))

    def _send(
        self, method: str, path: str, query: dict[str, object], body: Any, headers: dict[str, str]
    ) -> httpx.Response:
        params = {name: str(value) for name, value in query.items() if value is not None}
        return self._client.request(method, path, params=params, json=body, headers=headers)


@contextmanager
def ringfence_api() -> Iterator[Api]:
    """RINGFENCE_HTTP_URL with RINGFENCE_PLATFORM_KEY."""
    headers = {"Authorization": f"Bearer {setting('RINGFENCE_PLATFORM_KEY')}"}
    url = setting("RINGFENCE_HTTP_URL")
    if not url.startswith(("http://", "https://")):
        raise CommandFailed(f"RINGFENCE_HTTP_URL is not a URL: {url}", ExitCode.COULD_NOT)
    with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        yield Api(client)


def of_account(account_id: str) -> dict[str, str]:
    """The header that names the account in requests an account would make itself (contract §0, Auth)."""
    return {"Ringfence-Account": account_id}


def _body(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json()
    exit_code = ExitCode.COULD_NOT if answer.status_code >= SERVER_ERROR else ExitCode.REFUSED
    raise CommandFailed(_refusal(answer), exit_code)


def _refusal(answer: httpx.Response) -> str:
    """`422 invalid_request: …; items.0.price_usd: …`."""
    try:
        error = answer.json()["error"]
        faults = [f"{fault['path']}: {fault['message']}" for fault in error.get("fields", ())]
        return f"{answer.status_code} {error['code']}: " + "; ".join([error["message"], *faults])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} from {answer.url}: is that Ringfence?"
