"""`ringfence dead …`: what could not be handled waits in dead-letter queues for a person; here is what it can do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import orjson
import typer

from services.commands.console import print_json, print_table, say
from services.commands.dead_letters import (
    DEAD_QUEUES,
    LOOKED_AT_MAX,
    TWIN,
    Letter,
    looked_at,
    opened,
    replayed,
    taken_out,
)
from services.commands.environment import setting
from services.commands.failures import CommandFailed, ExitCode
from shared.clock import SystemClock
from shared.messaging.messages import Message
from shared.messaging.topology import dead_queue

app = typer.Typer(
    help="Dead letters: list and show them (nothing is consumed), replay or discard them.\n\n"
    "A letter's id is its event's, else its message's. Exit codes: 1 none fits, 2 RabbitMQ is out of reach.",
    no_args_is_help=True,
)

Queue = Annotated[str | None, typer.Option(help="Only of this queue: ledger.charge_usage or with .dead behind it.")]
Reason = Annotated[str | None, typer.Option(help="All letters with this reason.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="The letters of these ids.", show_default=False)]
Id = Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="The same.")]
All = Annotated[bool, typer.Option("--all", help="Every letter.")]
JsonOption = Annotated[bool, typer.Option("--json")]
Fits = Callable[[Letter], bool]

DETAIL_SHOWN_MAX = 100


@app.command("list")
def list_letters(
    queue: Queue = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, max=LOOKED_AT_MAX, help="Letters looked into, per queue.")] = 100,
    json: JsonOption = False,
) -> None:
    """Counts by queue and reason, then the letters, the longest dead first."""
    letters, total = asyncio.run(_look(_queues(queue), lambda letter: reason in (None, letter.reason), limit))
    if json:
        print_json({"total": total, "data": [letter.as_json() for letter in letters]})
    elif not total:
        say("There are no dead letters.")
    else:
        _show_list(letters, total, is_filtered=reason is not None)


@app.command()
def show(id: Annotated[str, typer.Argument(metavar="ID")], queue: Queue = None, json: JsonOption = False) -> None:
    """A letter with its body, its headers and why it is dead."""
    letters, _ = asyncio.run(_look(_queues(queue), lambda letter: letter.is_called(id), None))
    if not letters:
        raise CommandFailed(f"there is no dead letter {id}")
    if json:
        print_json([letter.as_json() for letter in letters])
        return
    for letter in letters:
        _show_letter(letter)


@app.command()
def replay(
    ids: Ids = None,
    queue: Queue = None,
    reason: Reason = None,
    id: Id = None,
    all: All = False,
    accept: Annotated[
        bool, typer.Option("--accept", help=f"Bill a {TWIN} all the same: a person has looked, it is no duplicate.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put letters back into their work queue; each leaves the dead letters once the broker has it there.

    One that is still not right comes back with its reason. Name ids, --reason or --all; --accept alone means
    every suspected duplicate.
    """
    named = [*(ids or []), *(id or [])]
    if accept and not (named or reason or all):
        reason = TWIN
    fits = _chosen(reason, named, all)
    done = asyncio.run(_take_out(_queues(queue), fits, lambda letter: replayed(letter, accepts_twin=accept)))
    _told(done, "replayed", json)


@app.command()
def discard(
    ids: Ids = None,
    queue: Queue = None,
    reason: Reason = None,
    id: Id = None,
    all: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete letters for good: what they tell of is never billed. Asks first; name ids, --reason or --all."""
    fits = _chosen(reason, [*(ids or []), *(id or [])], all)
    letters, _ = asyncio.run(_look(_queues(queue), fits, None))
    seen = Counter((letter.queue, letter.message.message_id, letter.digest) for letter in letters)
    if letters and not yes:
        _show_list(letters, len(letters), is_filtered=True)
        if not typer.confirm(f"Delete {_count(letters)} for good? What they tell of is never billed"):
            raise CommandFailed("nothing was deleted")

    def was_seen(letter: Letter) -> bool:
        """Only what was shown: others may have died since."""
        key = (letter.queue, letter.message.message_id, letter.digest)
        seen[key] -= 1
        return seen[key] >= 0

    done = asyncio.run(_take_out(_queues(queue), was_seen, lambda _: None)) if letters else []
    _told(done, "discarded", json)


def _queues(named: str | None) -> Sequence[str]:
    if named is None:
        return list(DEAD_QUEUES)
    for queue in (named, dead_queue(named)):
        if queue in DEAD_QUEUES:
            return [queue]
    raise CommandFailed(f"there is no queue {named}; there are {', '.join(DEAD_QUEUES)}", ExitCode.COULD_NOT)


def _chosen(reason: str | None, ids: Sequence[str], all: bool) -> Fits:
    if all == (reason is not None or bool(ids)):
        raise CommandFailed("name ids, --reason or both; or --all alone", ExitCode.COULD_NOT)
    return lambda letter: reason in (None, letter.reason) and (not ids or any(map(letter.is_called, ids)))


async def _look(queues: Sequence[str], fits: Fits, limit: int | None) -> tuple[list[Letter], int]:
    """The letters that fit, and how many letters there are at all."""
    total, found = 0, []
    async with opened(setting("RINGFENCE_AMQP_URL")) as broker:
        for queue in queues:
            depth = await broker.depth(queue) or 0
            total += depth
            if depth:
                at_most = depth if limit is None else limit
                found += [letter async for letter in looked_at(broker, queue, at_most=at_most) if fits(letter)]
    return found, total


async def _take_out(queues: Sequence[str], fits: Fits, settle: Callable[[Letter], Message | None]) -> list[Letter]:
    done: list[Letter] = []
    async with opened(setting("RINGFENCE_AMQP_URL")) as broker:
        for queue in queues:
            if await broker.depth(queue):
                done += await taken_out(broker, queue, fits, settle)
    return done


def _told(done: Sequence[Letter], what: str, json: bool) -> None:
    if json:
        print_json({what: [{"id": letter.id, "queue": letter.queue, "reason": letter.reason} for letter in done]})
    elif done:
        by_queue = Counter(DEAD_QUEUES[letter.queue] for letter in done)
        say(*(f"{count} {what} ({queue})" for queue, count in by_queue.items()))
    if not done:
        raise CommandFailed("no dead letter fits")


def _show_list(letters: Sequence[Letter], total: int, *, is_filtered: bool) -> None:
    now = SystemClock().now()
    groups = Counter((letter.queue, letter.reason) for letter in letters)
    print_table(
        ("queue", "reason", "count", "oldest"),
        [(*group, count, _oldest(letters, group, now)) for group, count in sorted(groups.items())],
        right=("count",),
    )
    say("")
    print_table(
        ("id", "account", "type", "reason", "age", "detail"),
        [
            (
                letter.id,
                letter.account_id,
                letter.type,
                letter.reason,
                _age(letter, now),
                letter.detail[:DETAIL_SHOWN_MAX],
            )
            for letter in letters
        ],
    )
    if not is_filtered and len(letters) < total:
        say("", f"{len(letters)} of {total} looked into; --limit looks into more.")


def _show_letter(letter: Letter) -> None:
    now = SystemClock().now()
    say(
        f"{letter.id} in {letter.queue}",
        f"  reason    {letter.reason}",
        f"  detail    {letter.detail}",
        f"  attempts  {letter.attempts or 'unknown'}",
        f"  age       {_age(letter, now) or 'unknown'}",
        f"  headers   {orjson.dumps(letter.as_json()['headers']).decode()}",
    )
    if letter.value is None:
        say(f"  body      not JSON: {letter.message.body!r}", "")
    else:
        say("  body", orjson.dumps(letter.value, option=orjson.OPT_INDENT_2).decode(), "")


def _oldest(letters: Sequence[Letter], group: tuple[str, str], now: datetime) -> str:
    of_group = [letter for letter in letters if (letter.queue, letter.reason) == group]
    known = [letter for letter in of_group if letter.told_at is not None]
    return _age(min(known, key=lambda letter: letter.told_at or now), now) if known else ""


def _age(letter: Letter, now: datetime) -> str:
    """How long it has been dead, or, where nobody noted that, how old its event is: "3 h"."""
    if letter.told_at is None:
        return ""
    seconds = max(0, int((now - letter.told_at).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _count(letters: Sequence[Letter]) -> str:
    return f"{len(letters)} letter{'' if len(letters) == 1 else 's'}"
