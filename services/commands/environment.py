"""Where the commands find a deployment: the environment, else `.ringfence/env`, which `ringfence run` writes."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from deploy.local.servers import CHECKOUT
from services.commands.failures import CommandFailed, ExitCode

HOME = "RINGFENCE_HOME"
"""Names the folder to use instead of `.ringfence`."""


def home() -> Path:
    """`.ringfence` of the checkout; of an installed copy, that of the current directory."""
    if given := os.environ.get(HOME):
        return Path(given).absolute()
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / ".ringfence"


def environment_file() -> Path:
    return home() / "env"


def known_environment() -> Mapping[str, str]:
    """Every variable a command may use; what the environment sets wins over the file."""
    return {**_read(environment_file()), **{name: value for name, value in os.environ.items() if value}}


def setting(name: str) -> str:
    """One variable; raises CommandFailed when nobody set it."""
    value = known_environment().get(name)
    if not value:
        message = f"{name} is not set, and {environment_file()} does not tell it: is `ringfence run` up?"
        raise CommandFailed(message, ExitCode.COULD_NOT)
    return value


def write_environment(variables: Mapping[str, str]) -> Path:
    """Write `.ringfence/env`, readable by its owner alone: lines that a shell can source."""
    lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    write_private(environment_file(), lines)
    return environment_file()


def forget_environment(variables: Mapping[str, str]) -> None:
    """Remove `.ringfence/env` unless somebody else has written it since: nothing answers there any more."""
    if _read(environment_file()) == dict(variables):
        environment_file().unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it, at no moment anybody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _read(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {error}", ExitCode.COULD_NOT) from None
    return dict(_assignment(path, number, line) for number, line in enumerate(text.splitlines(), 1) if _tells(line))


def _tells(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _assignment(path: Path, number: int, line: str) -> tuple[str, str]:
    name, is_assignment, value = line.strip().removeprefix("export ").partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        words = []
    if not name.isidentifier() or not is_assignment or len(words) > 1 or (value and not words):
        raise CommandFailed(f"{path}, line {number}: not NAME=value", ExitCode.COULD_NOT)
    return name, "".join(words)
