"""Runs `ringfence` commands as processes of their own without importing everything for each: it forks.

`python -m tests.commands.forking` reads requests, one JSON object a line: {words, environment, stdin, out, err} (the
last three are paths), and answers each with the exit code.
"""

import json
import os
import sys
import traceback
from typing import Any

from services.__main__ import main


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request: dict[str, Any]) -> None:
    """Be the command; never returns."""
    os.environ.clear()
    os.environ.update(request["environment"])
    for number, path, flags in (
        (0, request["stdin"], os.O_RDONLY),
        (1, request["out"], os.O_WRONLY | os.O_CREAT),
        (2, request["err"], os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.argv = ["ringfence", *request["words"]]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
