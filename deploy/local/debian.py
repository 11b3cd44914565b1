"""RabbitMQ and Erlang unpacked from Debian's packages, without root and without installing anything."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes import Report, SetUpError

PACKAGES = (
    "rabbitmq-server",
    *(
        f"erlang-{part}"
        for part in (
            *("base", "asn1", "crypto", "eldap", "inets", "mnesia", "os-mon", "parsetools", "public-key"),
            *("runtime-tools", "ssl", "syntax-tools", "tools", "xmerl"),
        )
    ),
    "libsctp1",
    "libtinfo6",
)


def possible() -> bool:
    return all(shutil.which(program) for program in ("apt-get", "apt-cache", "dpkg"))


async def unpacked_rabbitmq(cache: Path, report: Report) -> Path:
    """The root of the unpacked packages under `cache`; fetched once, by whoever comes first."""
    if found := _unpacked(cache):
        return found
    with _alone(cache / "rabbitmq.lock"):
        return _unpacked(cache) or await _unpack(cache, report)


def _unpacked(cache: Path) -> Path | None:
    return max((path for path in cache.glob("rabbitmq-*") if (path / "usr").is_dir()), default=None)


async def _unpack(cache: Path, report: Report) -> Path:
    version = await _candidate(report)
    work = cache / "rabbitmq.part"
    shutil.rmtree(work, ignore_errors=True)
    (work / "root").mkdir(parents=True)
    report(f"RabbitMQ {version}: fetching {len(PACKAGES)} Debian packages (33 MB, once)")
    try:
        await _download(work)
    except SetUpError:
        if os.geteuid() != 0:
            raise
        await _update(report)  # the lists name versions that are gone
        version = await _candidate(report)
        await _download(work)
    report(f"RabbitMQ {version}: unpacking")
    for package in sorted(work.glob("*.deb")):
        await _run(["dpkg", "-x", str(package), str(work / "root")], cwd=work)
    _make_relocatable(work / "root" / "usr" / "lib" / "erlang" / "bin" / "erl")
    target = cache / f"rabbitmq-{version}"
    (work / "root").rename(target)
    shutil.rmtree(work)
    return target


async def unpacked_packages(cache: Path, name: str, packages: tuple[str, ...], report: Report) -> Path:
    """Other packages of Debian's, unpacked under `cache`/name the same way; fetched once.

    With them comes what they need and this machine lacks.
    """
    target = cache / name
    with _alone(cache / f"{name}.lock"):
        if target.is_dir():
            return target
        work = cache / f"{name}.part"
        shutil.rmtree(work, ignore_errors=True)
        (work / "root").mkdir(parents=True)
        try:
            await _download_with_needs(work, name, packages, report)
        except SetUpError:
            if os.geteuid() != 0:
                raise
            await _update(report)  # there are no package lists, or they name versions that are gone
            await _download_with_needs(work, name, packages, report)
        for package in sorted(work.glob("*.deb")):
            await _run(["dpkg", "-x", str(package), str(work / "root")], cwd=work)
        (work / "root").rename(target)
        shutil.rmtree(work)
    return target


async def _download_with_needs(work: Path, name: str, packages: tuple[str, ...], report: Report) -> None:
    simulated = await _run(["apt-get", "install", "--simulate", "--no-install-recommends", *packages], cwd=work)
    lacking = [line.split()[1] for line in simulated.splitlines() if line.startswith("Inst ")]
    wanted = tuple(dict.fromkeys([*packages, *lacking]))
    report(f"{name}: fetching {len(wanted)} Debian packages, once")
    await _download(work, wanted)


async def _candidate(report: Report) -> str:
    """The version apt would install; as root the package lists are fetched when there are none."""
    version = await _policy()
    if version is None and os.geteuid() == 0:
        await _update(report)
        version = await _policy()
    if version is None:
        raise SetUpError("apt knows no rabbitmq-server: run `apt-get update` as root once")
    return version


async def _update(report: Report) -> None:
    report("Fetching Debian's package lists")
    await _run(["apt-get", "update", "-q"], cwd=Path("/"))


async def _download(work: Path, packages: tuple[str, ...] = PACKAGES) -> None:
    await _run(["apt-get", "download", "-q", "-o", "Acquire::Retries=3", *packages], cwd=work)


async def _policy() -> str | None:
    shown = await _run(["apt-cache", "policy", "rabbitmq-server"], cwd=Path("/"))
    for line in shown.splitlines():
        name, _, value = line.strip().partition(": ")
        if name == "Candidate" and value != "(none)":
            return value.replace(":", "-")
    return None


def _make_relocatable(erl: Path) -> None:
    """Debian's `erl` names /usr/lib/erlang; ours stands elsewhere and may be moved with its checkout."""
    script = erl.read_text()
    moved = script.replace("ROOTDIR=/usr/lib/erlang", 'ROOTDIR="$(cd "$progdir/.." && pwd)"')
    if moved == script:
        raise SetUpError(f"{erl} is not as expected; install rabbitmq-server instead")
    erl.write_text(moved)


async def _run(command: list[str], *, cwd: Path) -> str:
    child = subprocess.Popen(  # noqa: ASYNC220
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    try:
        output = await asyncio.to_thread(child.communicate)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    text = output[0].decode(errors="replace")
    if child.returncode != 0:
        raise SetUpError(f"`{' '.join(command[:3])} …` failed:\n{text[-2000:]}")
    return text


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the others wait for it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
