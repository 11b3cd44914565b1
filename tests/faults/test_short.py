"""The short set: the kills in every `make test`, the rest with `make faults`, which runs the long one as well."""

import asyncio
from pathlib import Path

import pytest

from deploy.local.servers import Servers
from tests.faults.cases_crashes import kill_each_service
from tests.faults.cases_links import links_of
from tests.faults.cases_servers import bad_messages, memory_alarm
from tests.faults.proxy import FINE, Weather
from tests.faults.running import Case, Outcome, Run, run_case

SEED = 20_260_101
SPELL_S = 2.0
BESIDE_OTHERS_S = 2.5
"""How long an answer may take while other tests share the processors."""


async def _outcome(case: Case, servers: Servers, template_url: str, folder: Path) -> Outcome:
    outcome = await run_case(case, servers, template_url, folder, seed=SEED)
    assert outcome.findings == [], "\n".join([*outcome.findings, outcome.facts.get("traceback", "")])
    assert outcome.acknowledged > 0
    return outcome


async def test_each_service_killed_five_times_at_random_loses_and_doubles_nothing(
    servers: Servers, template_url: str, tmp_path: Path
) -> None:
    """Contract §9, 2 and 5, under 50 events and 20 checks a second."""
    outcome = await _outcome(
        Case("kill-services", kill_each_service, n=5, slowest_s_max=BESIDE_OTHERS_S), servers, template_url, tmp_path
    )
    assert outcome.faults == 30


@pytest.mark.long
async def test_cuts_silence_alarms_and_bad_messages_lose_and_double_nothing(
    servers: Servers, template_url: str, tmp_path: Path
) -> None:
    async def mixed(run: Run) -> None:
        run.fault(run.stage.reset_all("postgres", "amqp", "http", "stripe"))
        await run.recovered()
        for service, link in (("gatekeeper", "postgres"), ("ledger", "amqp")):
            assert link in links_of(service)
            run.stage.parties[service].turn(Weather(blackhole=True), link)
            run.fault()
        await asyncio.sleep(SPELL_S)
        run.stage.turn_all(FINE)
        run.stage.reset_all(
            "amqp"
        )  # a silent network is noticed by heartbeats, after 18 s: the long set waits for that
        await memory_alarm(run)
        await bad_messages(run)

    outcome = await _outcome(Case("mixed", mixed, n=1, slowest_s_max=BESIDE_OTHERS_S), servers, template_url, tmp_path)
    assert outcome.faults > 1_000
