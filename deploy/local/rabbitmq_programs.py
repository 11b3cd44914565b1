"""Where RabbitMQ's programs are: installed, or unpacked from Debian's packages under `.ringfence/`.

Of an installed one the scripts in `sbin` are called, not Debian's wrapper, which wants root or the user `rabbitmq`.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.local import debian, docker
from deploy.local.processes import Report, SetUpError

NO_BROKER = """\
RabbitMQ could not be had. One of these helps:
  1. install it: as root, `apt-get install rabbitmq-server` (it need not run)
  2. on Debian or Ubuntu, as root: `apt-get update`; then its packages are unpacked here, nothing is installed
  3. start Docker
or give a broker of your own by RINGFENCE_AMQP_URL."""


@dataclass(frozen=True, slots=True)
class Programs:
    """`sbin` holds RabbitMQ's scripts; `root` is where its packages were unpacked, None when installed."""

    sbin: Path
    root: Path | None

    def epmd(self) -> str:
        """Erlang's name server."""
        unpacked = (self.root or Path("/")) / "usr" / "lib" / "erlang" / "bin" / "epmd"
        found = str(unpacked) if unpacked.exists() else shutil.which("epmd")
        if found is None:
            raise SetUpError("RabbitMQ is there but Erlang's `epmd` is not")
        return found

    def paths(self) -> dict[str, str]:
        """What the environment must say for unpacked programs to find each other and their libraries."""
        if self.root is None:
            return {}
        libraries = [*self.root.glob("**/libtinfo.so.6"), *self.root.glob("**/libsctp.so.1")]
        return {
            "PATH": f"{self.root}/usr/lib/erlang/bin:{os.environ.get('PATH', os.defpath)}",
            "LD_LIBRARY_PATH": ":".join(dict.fromkeys(str(library.parent) for library in libraries)),
        }


async def find_programs(cache: Path, report: Report) -> Programs | None:
    """None means: none here, but Docker answers. SetUpError names the three ways when there is none."""
    if (sbin := _installed()) is not None:
        return Programs(sbin=sbin, root=None)
    refused = ""
    if debian.possible():
        try:
            root = await debian.unpacked_rabbitmq(cache, report)
        except SetUpError as error:
            refused = f"\n({error})"
        else:
            return Programs(sbin=_sbin_under(root / "usr" / "lib" / "rabbitmq"), root=root)
    if await docker.answers():
        report("RabbitMQ: in Docker")
        return None
    raise SetUpError(NO_BROKER + refused)


def _installed() -> Path | None:
    """The folder of the real scripts: Debian's command is a wrapper around those under /usr/lib/rabbitmq."""
    debians = Path("/usr/lib/rabbitmq")
    if debians.is_dir() and shutil.which("erl"):
        return _sbin_under(debians)
    command = shutil.which("rabbitmq-server")
    return None if command is None else Path(command).resolve().parent


def _sbin_under(rabbitmq: Path) -> Path:
    found = sorted(rabbitmq.glob("lib/rabbitmq_server-*/sbin"))
    if not found:
        raise SetUpError(f"no rabbitmq_server-*/sbin under {rabbitmq / 'lib'}")
    return found[-1]
