"""A `ringfence` command in a process that was forked from one that has imported everything already."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn

from services.__main__ import main


def be_command(words: Sequence[str], environment: Mapping[str, str], *, stdin: int, stdout: int, stderr: int) -> None:
    """Take these words, this environment and these open files for one's own; `run` then never returns."""
    os.environ.clear()
    os.environ.update(environment)
    for number, opened in ((0, stdin), (1, stdout), (2, stderr)):
        os.dup2(opened, number)
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.argv = ["ringfence", *words]


def run() -> NoReturn:
    """Be the command, and end as it ends."""
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
