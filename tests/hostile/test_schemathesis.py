"""Schemathesis reads our OpenAPI document and disbelieves it: every check it has, stateful ones too, zero failures."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
LEFT_OUT = ("/v1/events", "/v1/test/clock")
"""A stream never ends; who moves the clock by years tries everything else in another world."""


async def disbelieve(ringfence: Hosted, platform: httpx.AsyncClient, *words: str) -> None:
    """Runs it against the running system; fails with what it found."""
    opened = await platform.post("/v1/accounts", json={"id": "st", "name": "st", "agency": True})
    assert opened.status_code == 201
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"),
        *(f"{ringfence.url}/openapi.json", "--checks", "all", "--no-color", *words),
        *(f"--exclude-path={path}" for path in LEFT_OUT),
        *("-H", f"Authorization: Bearer {PLATFORM_KEY}", "-H", "Ringfence-Account: st"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = (await process.stdout.read()).decode(errors="replace")
    assert await process.wait() == 0, said[-12_000:]
    assert "Tested:" in said, said[-2_000:]
    assert (await platform.get("/healthz")).status_code == 200


@pytest.mark.long
async def test_the_description_holds_for_whatever_schemathesis_thinks_of(
    ringfence: Hosted, platform: httpx.AsyncClient
) -> None:
    await disbelieve(ringfence, platform, "--max-examples", "1", "--seed", "1", "--workers", "2")


@pytest.mark.long
async def test_the_description_holds_for_longer(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    await disbelieve(ringfence, platform, "--max-examples", "100")
