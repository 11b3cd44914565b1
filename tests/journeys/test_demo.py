"""`make demo` as a stranger runs it: the whole of it, from outside, checked by what it prints (contract §1)."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.local.processes import alive, descendants
from tests.deploy.processes import left_after

CHECKOUT = Path(__file__).parents[2]
DEMO_SECONDS_MAX = 300
DAY_SECONDS_MAX = 120
"""Some 6 s on a quiet machine, three times that with a terminal's pace; here others may be at work."""
SUM = re.compile(
    r"opening (\S+) \+ credits (\S+) − debits (\S+) = balance (\S+)",
)
ROW = re.compile(r"^ +\d+ .* ([+−]\$[\d.]+) +(−?\$[\d.]+)$", re.MULTILINE)


def usd(text: str) -> Decimal:
    return Decimal(text.replace("−", "-").replace("$", "").replace("+", ""))


@contextmanager
def demo(**environment: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m deploy.demo` with nothing given to it; ended hard if a test fails in the middle."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RINGFENCE_", "STRIPE_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.demo"],
        cwd=CHECKOUT,
        env={**inherited, "COLUMNS": "110", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def story() -> str:
    """What a whole demo printed."""
    with demo() as process:
        family = [process.pid]
        assert process.stdout is not None
        told = []
        for line in process.stdout:
            told.append(line)
            if line.startswith("The day: "):
                family += descendants(process.pid)
        code = process.wait(timeout=DEMO_SECONDS_MAX)
    said = "".join(told)
    assert code == 0, said
    assert len(family) > 2
    assert left_after(family, seconds=5) == []
    return said


def statements(story: str) -> dict[str, str]:
    """Each customer's statement by name."""
    parts = re.split(r"^Statement: (.+?) +─+$", story, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_demo_ends_well_and_leaves_nothing_running(story: str) -> None:
    """ "sets everything up, starts the whole system on free ports, plays a day …, audits the books, exits 0" """
    assert "Traceback" not in story
    assert "Warning" not in story
    assert re.search(r"\d+ invariants hold, findings: none", story)
    seconds = re.search(r"the day and its accounts ([\d.]+) s", story)
    assert seconds is not None
    assert float(seconds[1]) < DAY_SECONDS_MAX


def test_every_statement_adds_up_to_its_balance(story: str) -> None:
    """ "prints what happened so that a person can follow it": opening + credits − debits = balance, line by line."""
    found = statements(story)
    assert {"Luna Dental", "Harbor Pizza", "Comet Outreach"} <= set(found)
    for name, statement in found.items():
        total = SUM.search(statement)
        assert total is not None, name
        opening, credits, debits, balance = map(usd, total.groups())
        rows = [(usd(amount), usd(after)) for amount, after in ROW.findall(statement)]
        assert opening + credits - debits == balance
        assert sum(amount for amount, _ in rows) == balance
        assert sum(amount for amount, _ in rows if amount > 0) == credits
        for (_, before), (amount, after) in pairwise(rows):
            assert before + amount == after, name


def test_every_line_with_a_price_is_the_product_it_shows(story: str) -> None:
    """Each "2 minutes × ($0.10 voice + $0.08 telephony) = $0.36" of the statements, multiplied again."""
    lines = re.findall(
        r"(\d+) (?:minute|segment)s? × (\([^)]*\)|\$[\d.]+) = (\$[\d.]+)", re.sub(r"\s*\n\s*", " ", story)
    )
    assert len(lines) > 20
    for billed, prices, amount in lines:
        assert int(billed) * sum(map(usd, re.findall(r"\$[\d.]+", prices))) == usd(amount)


def test_the_customers_end_with_the_same_cents_every_time(story: str) -> None:
    """Also those of the cards: two top-ups, two auto-reloads; a decline, a suspension, a new card."""
    balances = {name: usd(SUM.search(text)[4]) for name, text in statements(story).items()}  # type: ignore[index]
    assert balances == {
        "Luna Dental": Decimal("5.75"),
        "Harbor Pizza": Decimal("4.58"),
        "Comet Outreach": Decimal("9.78"),
        "Sunny Travel": Decimal("14.60"),
        "Old Town Taxi": Decimal("9.54"),
        "Bright Voice": Decimal(0),
        "Pine Clinic": Decimal(0),
        "Maple Realty": Decimal(0),
    }


@pytest.mark.parametrize(
    "shown",
    [
        "6 × yes, 4 × 402",
        "insufficient_balance",
        "spend_limit_reached",
        "over RabbitMQ",
        "the platform cuts the call",
        "the hold is released",
        "its hold expires (orphaned)",
        "suspected_duplicate",
        "30 days × $2.50",
        "3-D Secure",
        "auto_reload_capped",
        "We couldn’t charge your card.",
        "suspended (payment_failed)",
        "reinstated at once",
        "2:00 of the minute wallet + 4:20 billable",
        "payment_overdue",
        "subscription_blocked",
    ],
)
def test_the_day_shows_what_it_promises(story: str, shown: str) -> None:
    assert shown in re.sub(r"\s+", " ", story)


@pytest.mark.long
def test_ctrl_c_ends_it_cleanly() -> None:
    with demo() as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("08:5"):
                break
        family = [process.pid, *descendants(process.pid)]
        assert alive(family)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 130
    assert "Traceback" not in rest
    assert time.monotonic() - began < 20
    assert left_after(family, seconds=5) == []
