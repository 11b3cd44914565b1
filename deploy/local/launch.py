"""Become another program: `launch.py '{"death_signal": 2, "user": [uid, gid], "parent": pid}' program arg…`.

Runs in the child, before the server: drops root, asks the kernel for a signal when the parent is gone, raises
the open-files limit. A file of its own because Python may not safely run code between fork and exec once
threads exist. Standard library only: it is started with `-I -S`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    wish = json.loads(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if wish["user"] is not None:
        uid, gid = wish["user"]
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(wish["death_signal"], wish["parent"])
    os.execvp(sys.argv[2], sys.argv[2:])


def die_with_parent(signal_number: int, parent: int) -> None:
    """After the change of user, which clears the wish; then look once: the parent may already be gone."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the process that wanted this server is gone")


if __name__ == "__main__":
    main()
