"""What came of the cases, for people to read."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.faults.running import Outcome

COLUMNS = (
    "case",
    "faults",
    "allowed",
    "refused",
    "503",
    "no answer",
    "slowest s",
    "without own lag",
    "own lag s",
    "recovery s",
    "acknowledged",
    "s",
    "load",
    "findings",
)


def show(outcomes: Sequence[Outcome]) -> None:
    shown = Table(*COLUMNS, title=f"Seed {outcomes[0].seed if outcomes else ''}")
    for outcome in outcomes:
        shown.add_row(*_row(outcome))
    console = Console(width=160)
    console.print(shown)
    for outcome in outcomes:
        for finding in outcome.findings:
            console.print(f"{outcome.case}: {finding}", style="red", highlight=False, markup=False)


def show_one(outcome: Outcome) -> None:
    """One line at a time while the long set runs."""
    print(
        "  " + "  ".join(f"{name} {value}" for name, value in zip(COLUMNS[1:], _row(outcome)[1:], strict=True)),
        flush=True,
    )
    for name, value in outcome.facts.items():
        print(f"    {name}: {value}", flush=True)
    for finding in outcome.findings:
        print(f"    FOUND {finding}", flush=True)


def _row(outcome: Outcome) -> list[str]:
    if outcome.not_run:
        return [outcome.case, *["–"] * (len(COLUMNS) - 2), f"not run: {outcome.not_run}"]
    answers = outcome.answers
    return [
        outcome.case,
        str(outcome.faults),
        *(str(answers.get(kind, 0)) for kind in ("allowed", "refused", "503", "no answer")),
        f"{outcome.slowest_s:.2f}",
        f"{outcome.slowest_without_lag_s:.2f}",
        f"{outcome.lag_s:.2f}",
        _recovery(outcome.recovery_s),
        str(outcome.acknowledged),
        f"{outcome.seconds:.0f}",
        f"{outcome.machine_load:.1f}",
        str(len(outcome.findings)) if outcome.findings else "none",
    ]


def _recovery(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    return f"{seconds[0]:.1f}" if len(seconds) == 1 else f"{min(seconds):.1f} to {max(seconds):.1f}"
