"""One call through the switch: `.venv/bin/python examples/kamailio/call.py ada 5` talks 5 s and hangs up.

With `--then stay` the caller sends a re-INVITE after those seconds and stays on the line until the switch ends the
call; with `--then cancel` he gives up as soon as it rings.
Exit code: 0 talked, 1 refused, 2 neither.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.processes import free_port
from deploy.local.sip import find_sip_programs

HERE = Path(__file__).resolve().parent
RINGFENCE = HERE.parents[1] / ".ringfence"


def call(account: str, seconds: float, to: str, then: str, options: list[str], switch: Path) -> tuple[int, str]:
    """SIPp's exit code, and what its scenario logged."""
    where = json.loads((switch / "switch.json").read_text())
    programs = asyncio.run(find_sip_programs(RINGFENCE / "tools", lambda _: None))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "call.log"
        command = programs.sipp(
            *("-sf", str(HERE / "sipp" / "caller.xml"), "-m", "1", "-p", str(free_port()), "-set", "then", then),
            *("-d", str(int(seconds * 1000)), "-trace_logs", "-log_file", str(log)),
            *("-s", to, "-key", "caller", "+15550100", "-au", account, "-ap", where["passwords"][account]),
            *(*options, f"127.0.0.1:{where['port']}"),
        )
        sipp = subprocess.run(command, env=programs.environment(), cwd=folder, capture_output=True, check=False)
        return sipp.returncode, log.read_text() if log.exists() else ""


def outcome(code: int, log: str) -> tuple[int, str]:
    """Exit code and a line for people."""
    talked = re.search(r"answered at (\d+)\n(hung up|cut off) at (\d+)", log)
    if talked:
        return 0, f"talked {int(talked[3]) - int(talked[1])} ms, then {talked[2]}"
    if code == 0 and log:
        return 1, " ".join(log.split())
    return 2, f"no call (SIPp ended with {code}) {log}"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="One call through the switch that switch.py started.")
    arguments.add_argument("account")
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--to", default="+493012345")
    arguments.add_argument("--then", choices=["hang_up", "stay", "cancel"], default="hang_up")
    arguments.add_argument("--sipp", nargs=argparse.REMAINDER, default=[], help="further options of SIPp")
    started_in = os.environ.get("SWITCH_FOLDER", RINGFENCE / "kamailio")
    arguments.add_argument("--switch", type=Path, default=started_in, help="switch.py's folder")
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))  # so that SIPp ends with us
    code, line = outcome(*call(given.account, given.seconds, given.to, given.then, given.sipp, given.switch))
    print(line)
    sys.exit(code)
