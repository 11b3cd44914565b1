"""`ringfence audit`: are the books right, and where is what has moved no money (contract §9)."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from services.commands.audit_checks import EXTRA_CHECKS
from services.commands.audit_counts import Waiting, count_waiting
from services.commands.audit_usage import NAME, missing_usage
from services.commands.console import print_json, print_table, say
from services.commands.environment import known_environment, setting
from services.commands.failures import CommandFailed, ExitCode
from shared.postgres.audit import FINDINGS_SHOWN_MAX, Finding, Report, audit_books

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]


UsageOption = Annotated[
    Path | None,
    typer.Option("--usage", metavar="FILE", help="Also list which of these usage events the books lack; - is stdin."),
]


def audit(json: JsonOption = False, usage: UsageOption = None) -> None:
    """Check every invariant of the books in one snapshot; count what is waiting, in retry, parked or dead.

    Exit codes: 0 clean, 1 findings, 2 could not check (PostgreSQL or, where it is set, RabbitMQ out of reach).
    """
    report, waiting = asyncio.run(_audit(usage))
    if json:
        print_json(_as_json(report, waiting))
    else:
        _show(report, waiting)
    if report.findings:
        raise typer.Exit(ExitCode.REFUSED)
    if waiting.unreachable is not None:
        raise CommandFailed(f"the queues could not be counted: {waiting.unreachable}", ExitCode.COULD_NOT)


async def _audit(usage: Path | None) -> tuple[Report, Waiting]:
    url = setting("RINGFENCE_POSTGRES_URL")
    report = await audit_books(url)
    for check in EXTRA_CHECKS:
        found = await check.run(known_environment())
        if found is not None:
            report = Report((*report.checked, check.name), (*report.findings, *found))
    if usage is not None:
        report = Report((*report.checked, NAME), (*report.findings, *await missing_usage(url, usage)))
    return report, await count_waiting(url, known_environment().get("RINGFENCE_AMQP_URL"))


def _show(report: Report, waiting: Waiting) -> None:
    for name in report.checked:
        found = [finding for finding in report.findings if _name(finding) == name]
        say(f"{'FOUND' if found else 'ok   '}  {name}", style="red bold" if found else None)
        for finding in found:
            say(f"         {finding.subject}: {finding.detail}", style="red")
        if len(found) >= FINDINGS_SHOWN_MAX:
            say(f"         the first {FINDINGS_SHOWN_MAX}; there may be more", style="red")
    say("", "What has moved no money:", style="bold")
    print_table(("what", "where", "count"), waiting.rows() or [("nothing", "", 0)], right=("count",))
    if waiting.unreachable is not None:
        say(f"The queues were not counted: {waiting.unreachable}")
    say("", _verdict(report), style="bold red" if report.findings else "bold green")


def _verdict(report: Report) -> str:
    if not report.findings:
        return f"The books are right: {len(report.checked)} invariants hold."
    broken = len({_name(finding) for finding in report.findings})
    return f"{len(report.findings)} findings: {broken} of {len(report.checked)} invariants do not hold."


def _name(finding: Finding) -> str:
    """As `Report.checked` names it."""
    return f"{finding.service}: {finding.invariant.replace('_', ' ')}"


def _as_json(report: Report, waiting: Waiting) -> dict[str, Any]:
    return {
        "clean": not report.findings,
        "checked": list(report.checked),
        "findings": [
            {
                "service": finding.service,
                "invariant": finding.invariant,
                "subject": finding.subject,
                "detail": finding.detail,
            }
            for finding in report.findings
        ],
        "moved_no_money": [{"what": what, "where": where, "count": count} for what, where, count in waiting.rows()],
        "queues_counted": waiting.unreachable is None,
    }
