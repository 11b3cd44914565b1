"""Runs `ringfence` commands as processes of their own without importing everything for each: it forks.

`python -m tests.commands.forking` reads requests, one JSON object a line: {words, environment, stdin, out, err} (the
last three are paths), and answers each with the exit code.
"""

import json
import os
import sys
from typing import Any, NoReturn

from tests import forked


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request: dict[str, Any]) -> NoReturn:
    """Be the command; never returns."""
    forked.be_command(
        request["words"],
        request["environment"],
        stdin=os.open(request["stdin"], os.O_RDONLY),
        stdout=os.open(request["out"], os.O_WRONLY | os.O_CREAT, 0o600),
        stderr=os.open(request["err"], os.O_WRONLY | os.O_CREAT, 0o600),
    )
    forked.run()


if __name__ == "__main__":
    serve()
