"""One running system and one Chromium for the whole suite; each test has accounts and a browser profile of its own."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from deploy.local.servers import Servers
from services.commands.payment_provider import hold_of_clock, payment_provider
from services.everything import SERVICES
from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from shared.runtime import Hosted, host
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY, _fresh_database

ROOT = Path(__file__).parents[2]
PICTURES = bool(os.environ.get("RINGFENCE_SCREENSHOTS"))
"""Whether tests/browser/test_looks.py leaves a picture of every page in every state and look in `SCREENSHOTS`."""

SCREENSHOTS = ROOT / ".ringfence" / "screenshots"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}

expect.set_options(timeout=20_000)  # how long to wait for a fact, on a machine that is busy

_numbers = count(1)


@dataclass
class System:
    """The running system and its platform."""

    hosted: Hosted
    platform: httpx.AsyncClient
    stack: AsyncExitStack = field(repr=False)

    async def post(self, path: str, body: Any = None, *, key: str | None = None, method: str = "POST") -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        answer = await self.platform.request(method, path, json=body, headers=headers)
        assert answer.status_code < 300, (method, path, answer.text)
        return answer.json() if answer.content else None

    async def get(self, path: str, *, key: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        answer = await self.platform.get(path, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def account(self, **fields: Any) -> dict[str, Any]:
        body = {"id": f"customer-{next(_numbers)}", "name": "Blue Door Dental", **fields}
        account: dict[str, Any] = await self.post("/v1/accounts", body)
        return account

    async def call(self, account_id: str, seconds: int = 150, **fields: Any) -> None:
        """A call that ended just now."""
        number = next(_numbers)
        now = self.hosted.host.clock.now()
        ended = {
            "account_id": account_id,
            "call_id": f"call-{number}",
            "direction": "outbound",
            "from": "+15550001111",
            "to": "+15550002222",
            "status": "completed",
            "started_at": now.timestamp() - seconds - 5,
            "answered_at": now.timestamp() - seconds,
            "ended_at": now.timestamp(),
            "duration_seconds": seconds,
            **fields,
        }
        await self.usage("call.ended", ended)

    async def usage(self, type: str, data: dict[str, Any], **fields: Any) -> None:
        event = {"specversion": "1.0", "id": f"event-{next(_numbers)}", "source": "test", "type": type, "data": data}
        await self.post("/v1/usage", {**event, **fields})

    async def publish(self, type: str, data: dict[str, Any]) -> None:
        """Over the broker, where nobody looks at it first."""
        event = {"specversion": "1.0", "id": f"event-{next(_numbers)}", "source": "test", "type": type, "data": data}
        await self.hosted.host.broker.publish(Message(USAGE, type, orjson.dumps(event)))

    async def save_card(self, account: dict[str, Any], card: str = "pm_card_visa") -> None:
        body = {"payment_method_id": card}
        await self.post("/v1/billing/default-payment-method", body, key=account["api_key"])

    async def link(self, account_id: str | None = None) -> str:
        """A fresh sign-in link, of an account or of an operator."""
        path = f"/v1/accounts/{account_id}/portal-sessions" if account_id else "/v1/ops-sessions"
        return str((await self.post(path, None if account_id else {"operator": "Olga"}))["url"])

    async def refused_call(self, account: dict[str, Any]) -> None:
        """A call that can't be paid."""
        number = next(_numbers)
        call = {"account_id": account["id"], "call_id": f"refused-{number}", "direction": "outbound"}
        answer = await self.platform.post(
            "/v1/checks/call", json={**call, "from": "+15550001111", "to": "+15550002222", "seconds": 60}
        )
        assert answer.status_code == 402, answer.text

    async def until(self, is_so: Callable[[], Awaitable[bool]], within_s: float = 20) -> None:
        """Wait for a fact."""
        async with asyncio.timeout(within_s):
            while not await is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.03)

    async def balance_is(self, account: dict[str, Any], cents: int) -> None:
        """Wait until the books say so."""

        async def is_so() -> bool:
            return bool((await self.get("/v1/billing", key=account["api_key"]))["balance_cents"] == cents)

        await self.until(is_so)

    async def dead_letters(self, queue: str, *, at_least: int) -> None:
        """Wait until so many are there."""

        async def are_there() -> bool:
            return (await self.hosted.host.broker.depth(f"{queue}.dead") or 0) >= at_least

        await self.until(are_there)


@pytest.fixture(scope="package")
async def system(
    servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    url = await _fresh_database(servers.postgres_url, "ringfence_browser", template="ringfence_template")
    settings = Settings(
        postgres_url=url,
        amqp_url=servers.amqp_urls["operator"],
        http_port=0,
        test_clock=True,
        platform_key=PLATFORM_KEY,
        rate_limit_per_second=0,
    )
    async with AsyncExitStack() as stack:
        folder = tmp_path_factory.mktemp("standin")
        provider = await stack.enter_async_context(payment_provider(folder, SERVICES, settings))
        hosted = await stack.enter_async_context(host(SERVICES, provider.settings))
        hold_of_clock(provider, hosted.host.clock)
        headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
        platform = await stack.enter_async_context(httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30))
        yield System(hosted, platform, stack)


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    path = os.environ.get("RINGFENCE_CHROMIUM") or await asyncio.to_thread(_ensure_chromium)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield browser
        await browser.close()


def _ensure_chromium() -> str:
    done = subprocess.run([ROOT / "deploy/local/chromium.sh"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


SignIn = Callable[..., Awaitable[Page]]


@pytest.fixture
async def sign_in(system: System, chromium: Browser) -> AsyncIterator[SignIn]:
    """`await sign_in(account_id)` opens the page of an account in a fresh profile; without one, the operators'.
    `path`: straight there, `signs_in` or not."""
    async with AsyncExitStack() as stack:
        broken: list[str] = []

        async def open_page(
            account_id: str | None = None, *, path: str | None = None, signs_in: bool = True, **options: Any
        ) -> Page:
            context = await chromium.new_context(**{"viewport": WIDE, **options})
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.set_default_timeout(20_000)
            page.on("pageerror", lambda error: broken.append(str(error)))
            page.on(
                "console",
                lambda message: broken.append(message.text) if "Content Security Policy" in message.text else None,
            )
            if path is not None and signs_in:  # without loading the page that the link leads to
                entered = await context.request.get(await system.link(account_id), max_redirects=0)
                assert entered.status == 303, await entered.text()
            await page.goto(await system.link(account_id) if path is None else urljoin(system.hosted.url, path))
            return page

        yield open_page
        assert broken == []


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    return (Path(__file__).parent / "vendored" / "axe.min.js").read_text("utf-8")
