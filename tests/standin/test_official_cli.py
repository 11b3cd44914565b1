"""Stripe's own command line triggers its events against the stand-in, unmodified (`stripe trigger … --api-base`)."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from deploy.local.stripe_standin import RunningStandin

VERSION = "1.52.0"
FOLDER = Path(__file__).parents[2] / ".ringfence" / "tools" / f"stripe-cli-{VERSION}"
TRIGGERS = [
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "setup_intent.created",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "setup_intent.requires_action",
    "setup_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.refunded",
    "charge.refund.updated",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "payment_method.attached",
    "payment_method.detached",
    "customer.created",
    "customer.updated",
    "customer.deleted",
]


async def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


@pytest.fixture(scope="session")
async def stripe_cli() -> Path:
    """The binary, installed once from its npm package; without it these tests fail, they do not skip."""
    for found in FOLDER.glob("node_modules/@stripe/cli-*/bin/stripe"):
        return found
    assert shutil.which("npm"), "npm is needed to install Stripe's command line (@stripe/cli)"
    FOLDER.mkdir(parents=True, exist_ok=True)
    package = f"@stripe/cli@{VERSION}"
    status, output = await run("npm", "i", "--ignore-scripts", "--no-audit", "--no-fund", package, cwd=FOLDER)
    assert status == 0, output
    return next(FOLDER.glob("node_modules/@stripe/cli-*/bin/stripe"))


@pytest.mark.parametrize("kind", TRIGGERS)
async def test_stripes_own_trigger_makes_its_event(
    stripe_cli: Path, standin: RunningStandin, tmp_path: Path, kind: str
) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "STRIPE_API_KEY": standin.secret_key,
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
    }
    status, output = await run(str(stripe_cli), "trigger", kind, "--api-base", standin.api_base, env=env)
    assert status == 0, output
    assert "Trigger succeeded" in output
    assert kind in [event["type"] for event in await standin.sim.objects("event")]
