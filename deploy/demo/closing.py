"""After the day: what moved no money and why, then the books, as an operator looks at them."""

import os
from collections.abc import Mapping

from deploy.demo.chapters import CHAPTERS
from deploy.demo.paper import Paper
from deploy.demo.wire import NotAsWritten
from services.commands.audit_checks import EXTRA_CHECKS
from services.commands.dead_letters import DEAD_QUEUES, LOOKED_AT_MAX, Letter, looked_at, opened, taken_out
from shared.postgres.audit import Report, audit_books

PARKED: Mapping[str, str] = {id: reason for chapter in CHAPTERS for id, reason in chapter.parks.items()}


async def clear_dead_letters(amqp_url: str) -> None:
    """A given broker may hold what an earlier demo left; other letters are not ours to touch."""
    async with opened(amqp_url) as broker:
        for queue in DEAD_QUEUES:
            await taken_out(broker, queue, lambda letter: letter.id in PARKED, lambda letter: None)


async def show_dead_letters(paper: Paper, amqp_url: str) -> None:
    """Exactly the events that chapters say must be parked are; raises NotAsWritten."""
    letters: list[Letter] = []
    async with opened(amqp_url) as broker:
        for queue in DEAD_QUEUES:
            letters += [one async for one in looked_at(broker, queue, at_most=LOOKED_AT_MAX) if one.id in PARKED]
    paper.title("Dead letters", "Nothing is dropped: what could not be billed is parked with its reason, for a person.")
    rows = [(letter.id, letter.reason, letter.detail) for letter in letters]
    paper.table(("event", "reason", "why"), rows)
    found = {letter.id: letter.reason for letter in letters}
    if found != PARKED or len(found) != len(letters):
        raise NotAsWritten(f"parked are {found}; the script says {dict(PARKED)}")
    paper.say()
    paper.say("  `ringfence dead replay --accept` would bill a suspected duplicate that is none.", style="dim")


async def audit(paper: Paper, postgres_url: str) -> None:
    """Every invariant of the books, in one snapshot, and what they must be compared with; raises NotAsWritten."""
    paper.title("The audit", "Every invariant of the books, checked in one snapshot by a role that can only read.")
    report = await audit_books(postgres_url)
    for check in EXTRA_CHECKS:
        found = await check.run({**os.environ, "RINGFENCE_POSTGRES_URL": postgres_url})
        if found is not None:
            report = Report((*report.checked, check.name), (*report.findings, *found))
    for name in report.checked:
        service, _, invariant = name.partition(": ")
        paper.step(service, invariant)
    for finding in report.findings:
        words = f"{finding.invariant.replace('_', ' ')}: {finding.subject}: {finding.detail}"
        paper.step(finding.service, f"NOT SO: {words}", is_good=False)
    if report.findings:
        raise NotAsWritten(f"{len(report.findings)} findings in the books")
    paper.say(f"  {len(report.checked)} invariants hold, findings: none", style="bold green")
