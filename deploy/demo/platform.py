"""The phone platform of the demo: `python -m deploy.demo.platform`. It plays the day and reads the statements.

All it knows of Ringfence is in four variables: RINGFENCE_HTTP_URL, RINGFENCE_PLATFORM_KEY, the platform's user of
the broker (RINGFENCE_AMQP_PLATFORM_URL) and the dashboard's (RINGFENCE_AMQP_DASHBOARD_URL). A fifth,
RINGFENCE_STRIPE_API_URL, is where the customers' simulated bank is. Exit codes: 0 all went as written and every cent
is explained, 1 not so.
"""

import asyncio
import os
import sys
from datetime import datetime
from typing import Final

import httpx

from deploy.demo.chapters import CHAPTERS
from deploy.demo.dashboard import watching
from deploy.demo.day import Chapter, Day, the_day_after
from deploy.demo.paper import Paper
from deploy.demo.statement import print_overview, print_statement
from deploy.demo.wire import NotAsWritten, wires

VARIABLES: Final = (
    "RINGFENCE_HTTP_URL",
    "RINGFENCE_PLATFORM_KEY",
    "RINGFENCE_AMQP_PLATFORM_URL",
    "RINGFENCE_AMQP_DASHBOARD_URL",
)
BANK: Final = "RINGFENCE_STRIPE_API_URL"


async def play(paper: Paper, http_url: str, platform_key: str, platform_url: str, dashboard_url: str) -> None:
    """The whole day, then a statement of every customer. Raises NotAsWritten at the first thing that is off."""
    async with wires(http_url, platform_key, platform_url) as (http, publisher), watching(dashboard_url) as dashboard:
        told = await http.ask("POST", "/v1/test/clock", {"advance_seconds": 0})
        date = the_day_after(datetime.fromisoformat(told["now"]))
        day = Day(http, publisher, dashboard, paper, date=date, now=date, bank_url=os.environ.get(BANK))
        known_paths = (await http.ask("GET", "/openapi.json"))["paths"]
        _introduce(paper, date)
        for chapter in CHAPTERS:
            if chapter.needs is None or chapter.needs in known_paths:
                await _play_chapter(day, chapter)
        print_overview(day, [await print_statement(day, customer) for customer in day.customers])


async def _play_chapter(day: Day, chapter: Chapter) -> None:
    day.paper.title(chapter.title, chapter.lead)
    await chapter.play(day)


def _introduce(paper: Paper, date: datetime) -> None:
    paper.title(f"The day: {date:%A}, {date.day} {date:%B %Y}")
    paper.say(
        "A phone platform, in a process of its own, asks the gate over HTTP before each call and publishes to RabbitMQ "
        "what was used. At the right stands the balance as the dashboard has just heard it. The clock is the test "
        "clock: hours pass in seconds."
    )


def main() -> None:
    paper = Paper()
    try:
        asyncio.run(play(paper, *(os.environ[name] for name in VARIABLES)))
    except NotAsWritten as error:
        paper.say(f"\nNot as written: {error}", style="bold red")
        sys.exit(1)
    except httpx.TransportError as error:
        paper.say(f"\nRingfence does not answer: {error!r}", style="bold red")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
