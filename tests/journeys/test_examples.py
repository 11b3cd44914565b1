"""The examples run as they are, with the rights a platform and a dashboard have."""

import asyncio
import os
import sys
from pathlib import Path

import httpx

from deploy.local.servers import Servers
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_the_examples_do_what_they_say(ringfence: Hosted, platform: httpx.AsyncClient, servers: Servers) -> None:
    environment = {
        **os.environ,
        **servers.environment(),
        "RINGFENCE_HTTP_URL": ringfence.url,
        "RINGFENCE_PLATFORM_KEY": PLATFORM_KEY,
    }

    async def start(*command: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)

    gate = await start("bash", str(EXAMPLES / "gate_a_call.sh"), "acme")
    told = (await gate.communicate())[0].decode()
    assert "HTTP 200" in told
    assert '"decision":"allow"' in told
    assert '"balance_cents":964' in told

    dashboard = await start(sys.executable, str(EXAMPLES / "dashboard.py"), "1")
    assert dashboard.stdout is not None
    assert await dashboard.stdout.readline() == b"listening\n"
    publisher = await start(sys.executable, str(EXAMPLES / "publish_usage.py"), "acme")
    assert b"published 3 messages of acme" in (await publisher.communicate())[0]
    assert publisher.returncode == 0
    async with asyncio.timeout(15):
        heard = (await dashboard.communicate())[0].decode()
    assert heard.startswith("acme: $9.6")
