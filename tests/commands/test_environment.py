"""`.ringfence/env` and the payment provider that `ringfence run` brings."""

import os
import stat
import subprocess
from pathlib import Path

import httpx
import pytest

from services.commands.environment import (
    HOME,
    environment_file,
    forget_environment,
    known_environment,
    setting,
    write_environment,
)
from services.commands.failures import CommandFailed
from services.commands.payment_provider import payment_provider
from services.scheduler.service import SCHEDULER
from shared.service import Service
from shared.settings import Settings

SETTINGS = Settings(postgres_url="unused", amqp_url="unused", http_port=0)
PAYMENTS = Service("payments", hears=(), says=(), start=SCHEDULER.start)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("RINGFENCE_", "STRIPE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_written_is_read_again_by_us_and_by_a_shell() -> None:
    variables = {"RINGFENCE_AMQP_URL": "amqp://u:p%2F@h/v?a=1&b='$x' #", "RINGFENCE_PLATFORM_KEY": "rf_x"}
    path = write_environment(variables)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert known_environment().items() >= variables.items()
    sourced = subprocess.run(
        ["sh", "-c", f'. "{path}"; printf %s "$RINGFENCE_AMQP_URL"'], capture_output=True, check=True, text=True
    )
    assert sourced.stdout == variables["RINGFENCE_AMQP_URL"]


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_environment({"RINGFENCE_HTTP_URL": "file", "RINGFENCE_PLATFORM_KEY": "file"})
    monkeypatch.setenv("RINGFENCE_HTTP_URL", "environment")
    monkeypatch.setenv("RINGFENCE_PLATFORM_KEY", "")
    assert (setting("RINGFENCE_HTTP_URL"), setting("RINGFENCE_PLATFORM_KEY")) == ("environment", "file")


def test_a_file_somebody_else_has_written_since_is_left_alone() -> None:
    write_environment({"RINGFENCE_HTTP_URL": "theirs"})
    forget_environment({"RINGFENCE_HTTP_URL": "ours"})
    assert environment_file().exists()
    forget_environment({"RINGFENCE_HTTP_URL": "theirs"})
    assert not environment_file().exists()


@pytest.mark.parametrize("content", [b"no assignment", b'A="unclosed', b"\xff", b"A=1 2"])
def test_a_spoilt_file_is_told_with_its_line(content: bytes) -> None:
    environment_file().parent.mkdir()
    environment_file().write_bytes(content)
    with pytest.raises(CommandFailed, match="env"):
        setting("RINGFENCE_HTTP_URL")


async def test_without_a_stripe_key_a_stand_in_answers_and_says_so(tmp_path: Path) -> None:
    """Contract §1: "With `STRIPE_API_KEY` set the real Stripe is used; without, a local stand-in, and every banner
    says so"."""
    async with payment_provider(tmp_path, [PAYMENTS], SETTINGS) as provider:
        assert "SIMULATED" in provider.description
        assert provider.environment.keys() == {
            "RINGFENCE_STRIPE_API_URL",
            "RINGFENCE_STRIPE_SECRET_KEY",
            "RINGFENCE_STRIPE_PUBLISHABLE_KEY",
            "RINGFENCE_STRIPE_WEBHOOK_SECRET",
        }
        assert os.environ["RINGFENCE_STRIPE_API_URL"] == provider.environment["RINGFENCE_STRIPE_API_URL"]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{os.environ['RINGFENCE_STRIPE_API_URL']}/v1/customers",
                auth=(provider.environment["RINGFENCE_STRIPE_SECRET_KEY"], ""),
            )
        assert answer.status_code == 200
    assert "STRIPE_API_KEY" not in os.environ


@pytest.mark.parametrize(("key", "words"), [("sk_live_x", "LIVE"), ("sk_test_x", "test mode")])
async def test_with_a_stripe_key_nothing_is_started(tmp_path: Path, key: str, words: str) -> None:
    settings = SETTINGS.model_copy(update={"stripe_api_key": key})
    async with payment_provider(tmp_path, [PAYMENTS], settings) as provider:
        assert words in provider.description
        assert provider.settings is settings
        assert not provider.environment
