"""What is logged can be read by machines, and holds no secret whatever is thrown at it."""

import json
import subprocess
import sys

import pytest

from shared.redaction import hide_secrets

GIVEN = {
    "RINGFENCE_PLATFORM_KEY": "chosen-by-hand",
    "RINGFENCE_STRIPE_WEBHOOK_SECRET": "first-secret, second-secret",
    "RINGFENCE_POSTGRES_URL": "postgresql://ringfence:open-sesame@127.0.0.1/ringfence",
}
SECRET_TEXTS = [
    "the header was Bearer abc.def-123",
    "Basic dXNlcjpwYXNzd29yZA==",
    "key rf_platform_Zm9vYmFyYmF6",
    "Invalid API Key provided: sk_" + "live_51Habcdefghijk",  # apart, for no file may hold one
    "rk_test_51Habcdefghijk",
    "signed with whsec_0123456789abcdef",
    "pi_3Nabc_secret_0123456789",
    "seti_1Nabc_secret_0123456789",
    "GET /signin/Zm9vYmFyYmF6cXV4 failed",
    "could not connect to amqp://operator:hunter22@127.0.0.1:5672/ringfence",
    "card 4242424242424242 was declined",
    "card 4242 4242 4242 4242 was declined",
    "card 378282246310005 was declined",
    "chosen-by-hand is not a key",
    "neither first-secret nor second-secret fits",
    "password open-sesame refused",
]
HIDDEN_PARTS = (
    *("abc.def-123", "dXNlcjpwYXNzd29yZA", "Zm9vYmFy", "51Habcdef", "0123456789", "hunter22"),
    *("4242", "378282246310005", "chosen-by-hand", "first-secret", "second-secret", "open-sesame"),
)
HARMLESS = [
    "account acct_01HZX3 of call c-4242424242424242-b",
    "from +4930123456789 to +15550100",
    "transaction 1234567890123456",
    "https://127.0.0.1:8402/v1/billing",
    "2026-11-24T18:00:00.000Z",
    "pi_3Nabc is succeeded; pm_card_visa is attached",
]


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_a_secret_in_any_text_is_hidden(text: str) -> None:
    process = hide_secrets(GIVEN)
    for event in (
        {"event": text},
        {"event": "failed", "error": {"inner": [text]}},
        {"event": "x", "exc": ValueError(text)},
    ):
        written = str(process(None, "", dict(event)))
        assert "[hidden]" in written
        assert not [part for part in HIDDEN_PARTS if part in written]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_an_operator_needs_is_left_as_it_is(text: str) -> None:
    assert hide_secrets(GIVEN)(None, "", {"event": text, "times": 3}) == {"event": text, "times": 3}


@pytest.mark.parametrize("name", ["Authorization", "set-cookie", "client_secret", "password", "Stripe-Signature"])
def test_a_field_named_like_a_secret_is_hidden_whatever_it_holds(name: str) -> None:
    assert hide_secrets({})(None, "", {"event": "x", "headers": {name: "anything"}}) == {
        "event": "x",
        "headers": {name: "[hidden]"},
    }


def test_every_line_is_one_json_object_also_of_other_libraries_and_with_a_traceback() -> None:
    program = """
import logging, structlog
from shared.logging import configure_logging
configure_logging("info", "json")
structlog.get_logger("ours").info("call_billed", account_id="acme", amount_micros=80000)
logging.getLogger("theirs").warning("retrying %s", "amqp://operator:hunter22@127.0.0.1/")
try:
    raise ConnectionError("postgresql://ringfence:hunter22@127.0.0.1/ringfence refused us")
except ConnectionError:
    structlog.get_logger("ours").exception("job_failed", job="sweep")
"""
    written = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["event"] for line in lines] == [
        "call_billed",
        "retrying amqp://operator:[hidden]@127.0.0.1/",
        "job_failed",
    ]
    assert "ConnectionError: postgresql://ringfence:[hidden]@127.0.0.1/ringfence refused us" in lines[2]["exception"]
    assert {"timestamp", "level"} <= lines[0].keys()
    assert "hunter22" not in written
