"""Set up, play the day, explain it, audit it. Exit codes: 0 all well, 1 not, 130 Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from typing import Final

import uvloop

from deploy.demo.closing import audit, clear_dead_letters, show_dead_letters
from deploy.demo.paper import Paper
from deploy.demo.stage import Stage, stage
from deploy.demo.wire import NotAsWritten
from deploy.local.servers import CHECKOUT
from services.commands.failures import EXPECTED, explained

STOPPED: Final = 130
PATIENCE_SECONDS: Final = 5
PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "COLUMNS",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)


async def demonstrate(paper: Paper) -> None:
    """Everything, once. Raises NotAsWritten, or what the world did wrong."""
    paper.title("Ringfence", "real-time prepaid billing: gate a call, bill it, tell the balance")
    began = time.monotonic()
    async with stage(paper) as ready:
        await clear_dead_letters(ready.amqp_url)
        set_up_seconds = time.monotonic() - began
        await _play(ready)
        await show_dead_letters(paper, ready.amqp_url)
        await audit(paper, ready.postgres_url)
        log = ready.log
        day_seconds = time.monotonic() - began - set_up_seconds
    paper.title("Done")
    paper.say(
        f"  set-up {set_up_seconds:.1f} s, the day and its accounts {day_seconds:.1f} s; everything is stopped again"
    )
    paper.say(f"  the system's log: {log}")
    paper.say("  `make run` keeps it up, and prints what to try first")


async def _play(ready: Stage) -> None:
    """The platform, as a process of its own that sees our output and nothing else of us."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    platform = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.demo.platform"),
        cwd=CHECKOUT,
        env={**environment, **ready.platform_environment},
        start_new_session=True,  # Ctrl-C is for us: we end it, then the servers
    )
    try:
        status = await platform.wait()
    except asyncio.CancelledError:
        await _end(platform)
        raise
    if status:
        raise NotAsWritten(f"the platform ended with exit code {status}; the system's log: {ready.log}")


async def _end(platform: Process) -> None:
    platform.terminate()
    try:
        await asyncio.wait_for(platform.wait(), PATIENCE_SECONDS)
    except TimeoutError:
        platform.kill()
        await platform.wait()


async def _until_told(paper: Paper) -> int:
    """The exit code. A second Ctrl-C does not cut the orderly end short."""
    task = asyncio.ensure_future(demonstrate(paper))
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            paper.say("\nStopping…")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
        return STOPPED
    except NotAsWritten as error:
        paper.say(f"\nThe demo failed: {error}", style="bold red")
        return 1
    except EXPECTED as error:
        paper.say(f"\nThe demo could not go on: {explained(error)}", style="bold red")
        return 1
    return 0


def main() -> None:
    sys.exit(uvloop.run(_until_told(Paper())))
