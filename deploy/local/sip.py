"""Kamailio and SIPp from Debian's packages, unpacked under `.ringfence/`, for the example and its tests.

The same way with and without root: nothing is installed, and an installed Kamailio is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import debian
from deploy.local.processes import Report, SetUpError

PACKAGES = ("kamailio", "kamailio-extra-modules", "kamailio-utils-modules", "kamailio-sqlite-modules", "sip-tester")


@dataclass(frozen=True, slots=True)
class SipPrograms:
    """Where the packages were unpacked, and how their programs are started from there."""

    root: Path

    def kamailio(self, *options: str) -> list[str]:
        """In the foreground, its log on stderr."""
        (modules,) = self.root.glob("usr/lib/*/kamailio/modules")
        return [str(self.root / "usr/sbin/kamailio"), "-DD", "-E", "-L", str(modules), *options]

    def sipp(self, *options: str) -> list[str]:
        """On 127.0.0.1 with all its sockets: without these options its control port is open to everybody."""
        here = "127.0.0.1"
        sockets = ["-i", here, "-mi", here, "-ci", here]
        return [str(self.root / "usr/bin/sipp"), "-nostdin", *sockets, *options]

    def environment(self) -> dict[str, str]:
        """This process's, with the unpacked libraries on the path."""
        folders: Sequence[Path] = [*self.root.glob("usr/lib/*-linux-*"), *self.root.glob("lib/*-linux-*")]
        libraries = [*folders, *self.root.glob("usr/lib/*-linux-*/kamailio")]
        return os.environ | {"LD_LIBRARY_PATH": ":".join(str(folder) for folder in libraries)}


async def find_sip_programs(cache: Path, report: Report) -> SipPrograms:
    """They are kept in the folder `cache`. SetUpError where there is no apt."""
    if not debian.possible():
        raise SetUpError("Kamailio and SIPp are unpacked from Debian's packages, and there is no apt here")
    return SipPrograms(await debian.unpacked_packages(cache, "sip", PACKAGES, report))
