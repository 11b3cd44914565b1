"""`make faults SEED=1 N=25`: every case, as a table and as `.ringfence/faults.json`.

A seed fixes what the platform does, which process is killed when, and every other choice of a case; what the machine's
scheduler makes of it differs from run to run.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict

from deploy.local.servers import CHECKOUT, private_servers
from shared.clock import SystemClock, rfc3339
from shared.logging import configure_logging
from shared.postgres.migrations import migrate
from tests.faults import table
from tests.faults.cases import CASES
from tests.faults.running import Case, Outcome, run_case
from tests.faults.templates import fresh_template

FOLDER = CHECKOUT / ".ringfence" / "faults"
REPORT = CHECKOUT / ".ringfence" / "faults.json"


async def _run(cases: Sequence[Case], *, seed: int, n: int | None) -> list[Outcome]:
    outcomes = []
    async with private_servers(FOLDER, keep_data=False, report=_say, if_busy="next") as servers:
        template = await fresh_template(servers)
        await migrate(template, role_prefix="ringfence_faults")
        for case in cases:
            _say(f"{case.name} …")
            outcomes.append(await run_case(case, servers, template, servers.folder / "cases", seed=seed, n=n))
            table.show_one(outcomes[-1])
            _write(outcomes)
    return outcomes


def _write(outcomes: Sequence[Outcome]) -> None:
    """What ran now replaces what the file says of the same cases; the others stay, each with its date."""
    before = json.loads(REPORT.read_text())["cases"] if REPORT.exists() else []
    ran = [{**asdict(one), "at": rfc3339(SystemClock().now())} for one in outcomes]
    kept = [one for one in before if one["case"] not in {outcome.case for outcome in outcomes}]
    REPORT.write_text(json.dumps({"cases": [*kept, *ran]}, indent=2, default=str))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--n", type=int, default=None, help="how often a case repeats its fault; default: its own")
    options.add_argument("--only", action="append", default=[], help="cases whose name contains this")
    options.add_argument("--list", action="store_true", help="say what there is")
    chosen = options.parse_args()
    cases = [case for case in CASES if not chosen.only or any(part in case.name for part in chosen.only)]
    if chosen.list:
        print("\n".join(case.name for case in cases))
        return
    configure_logging("critical", "console")
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    outcomes = asyncio.run(_run(cases, seed=chosen.seed, n=chosen.n))
    table.show(outcomes)
    sys.exit(any(outcome.findings for outcome in outcomes))


if __name__ == "__main__":
    main()
