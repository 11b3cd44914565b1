"""A telephone switch on this machine, to try the example: Kamailio, its CDR sender and somebody to call.

`.venv/bin/python examples/kamailio/switch.py` with RINGFENCE_HTTP_URL and RINGFENCE_PLATFORM_KEY set (as
`.ringfence/env` does) stays until Ctrl-C. Everything is on 127.0.0.1 and under .ringfence/kamailio; Debian's packages
are unpacked there once, nothing is installed. On a proxy of your own you need kamailio.cfg and send_cdrs.py alone.
"""

import argparse
import asyncio
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from deploy.local.processes import ServerProcess, SetUpError, end_leftover, free_port, tail
from deploy.local.sip import SipPrograms, find_sip_programs

HERE = Path(__file__).resolve().parent
RINGFENCE = HERE.parents[1] / ".ringfence"
START_PATIENCE_SECONDS = 20.0
OPTIONS = (
    "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};rport;branch=z9hG4bK1\r\nFrom: <sip:{me}>;tag=1\r\n"
    "To: <sip:{to}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
)


def passwords_for(names: list[str], folder: Path) -> dict[str, str]:
    """One made-up password per subscriber, the same again when the switch is started again."""
    known: dict[str, str] = {}
    if (folder / "switch.json").exists():
        known = json.loads((folder / "switch.json").read_text())["passwords"]
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_.+@-]{1,64}", name):
            sys.exit(f"{name!r} is no name for a subscriber")
        known.setdefault(name, secrets.token_hex(16))
    return known


def configure(folder: Path, passwords: dict[str, str], port: int) -> None:
    """kamailio.cfg as it is, beside it the subscribers, and for call.py where the switch is."""
    shutil.copy(HERE / "kamailio.cfg", folder)
    lines = "".join(f'\t$sht(passwords=>{name}) = "{password}";\n' for name, password in passwords.items())
    (folder / "subscribers.cfg").write_text("event_route[htable:mod-init] {\n" + lines + "}\n")
    (folder / "switch.json").write_text(json.dumps({"port": port, "passwords": passwords}))


class Switch:
    """The three processes; each ends when this one does, however that ends."""

    def __init__(self, folder: Path, programs: SipPrograms, gateway_port: int) -> None:
        self._folder = folder
        self._programs = programs
        self._gateway_port = gateway_port
        self._environment = programs.environment() | {
            "RINGFENCE_SPOOL": str(folder / "spool.db"),
            "GATEWAY_URI": f"sip:127.0.0.1:{gateway_port}",
        }

    async def start(self, stack: AsyncExitStack, port: int, defines: list[str]) -> None:
        await self._spawn(stack, "sender", [sys.executable, str(HERE / "send_cdrs.py")])
        answering = ["-sf", str(HERE / "sipp" / "callee.xml"), "-p", str(self._gateway_port)]
        quietly = ["-f", "3600", "-deadcall_wait", "0"]  # no chart a second; a Call-ID may come again
        await self._spawn(stack, "callee", self._programs.sipp(*answering, *quietly))
        (self._folder / "kamailio").mkdir(exist_ok=True)
        defined = [word for define in defines for word in ("-A", define)]
        files = ["-f", str(self._folder / "kamailio.cfg"), "-Y", str(self._folder / "kamailio")]
        listen = ["-l", f"udp:127.0.0.1:{port}"]
        command = self._programs.kamailio(*files, *listen, *defined)
        kamailio = await self._spawn(stack, "kamailio", command)
        give_up = time.monotonic() + START_PATIENCE_SECONDS
        while not await asyncio.to_thread(answers, port):
            if not kamailio.running or time.monotonic() > give_up:
                raise SetUpError(f"Kamailio did not start:\n{tail(kamailio.log)}")

    async def _spawn(self, stack: AsyncExitStack, name: str, command: list[str]) -> ServerProcess:
        pid_file = self._folder / f"{name}.pid"
        await end_leftover(pid_file, signal.SIGTERM)
        process = ServerProcess.start(
            command,
            environment=self._environment,
            log=self._folder / f"{name}.log",
            pid_file=pid_file,
            stop_signal=signal.SIGTERM,
        )
        stack.push_async_callback(process.stop, signal.SIGTERM, patience_seconds=5)
        return process


def answers(port: int) -> bool:
    """Kamailio says OK to OPTIONS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        asking.bind(("127.0.0.1", 0))
        asking.connect(("127.0.0.1", port))
        me = f"127.0.0.1:{asking.getsockname()[1]}"
        try:
            asking.send(OPTIONS.format(me=me, to=f"127.0.0.1:{port}").encode())
            return asking.recv(4096).startswith(b"SIP/2.0 200")
        except OSError:
            time.sleep(0.05)
            return False


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One switch to a folder; SetUpError for a second."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetUpError(f"a switch runs in {folder} already") from error
        yield


async def main(folder: Path, names: list[str], defines: list[str]) -> None:
    programs = await find_sip_programs(RINGFENCE / "tools", lambda line: print(line, file=sys.stderr, flush=True))
    port = free_port()
    configure(folder, passwords_for(names, folder), port)
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with AsyncExitStack() as stack:
        await Switch(folder, programs, free_port(frozenset({port}))).start(stack, port, defines)
        print(f"sip:127.0.0.1:{port} takes calls of {', '.join(names)}; Ctrl-C ends it", flush=True)
        await told.wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Kamailio with Ringfence on this machine, until Ctrl-C.")
    arguments.add_argument("subscribers", nargs="*", default=["ada"], help="accounts that may call; ada")
    arguments.add_argument("--folder", type=Path, default=os.environ.get("SWITCH_FOLDER", RINGFENCE / "kamailio"))
    arguments.add_argument("--define", action="append", default=[], help="SLICE_SECONDS=60, as kamailio -A")
    given = arguments.parse_args()
    if missing := {"RINGFENCE_HTTP_URL", "RINGFENCE_PLATFORM_KEY"} - os.environ.keys():
        sys.exit(f"{' and '.join(sorted(missing))} must be set: set -a; source .ringfence/env; set +a")
    given.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with alone(given.folder):
            asyncio.run(main(given.folder.resolve(), given.subscribers, given.define))
    except SetUpError as error:
        sys.exit(str(error))
