"""How a command ends when it cannot do what it was asked: one clear line and an exit code, never a traceback."""

import sys
from enum import IntEnum
from typing import Any

import asyncpg
import httpx
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from deploy.local.processes import SetUpError
from services.commands.console import printable
from shared.messaging.errors import MessagingError
from shared.postgres.migrations import SchemaIsNewer
from shared.postgres.pool import OUTAGES
from shared.runtime import RefusedToStart


class ExitCode(IntEnum):
    """What every command ends with."""

    DONE = 0
    REFUSED = 1
    COULD_NOT = 2


class CommandFailed(Exception):
    """A command gives up; the message says why and, where it helps, what to do."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Reporting(TyperGroup):
    """The root group: turns what is expected to go wrong into a line on standard error."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except EXPECTED as error:
            failure = explained(error)
            print(f"ringfence: {printable(str(failure))}", file=sys.stderr)
            raise typer.Exit(failure.exit_code) from None


EXPECTED: tuple[type[Exception], ...] = (
    CommandFailed,
    SetUpError,
    RefusedToStart,
    SchemaIsNewer,
    MessagingError,
    ValidationError,
    httpx.TransportError,
    asyncpg.PostgresError,
    *OUTAGES,
)
"""Everything that is the world's fault. A mistake of ours keeps its traceback."""


def explained(error: Exception) -> CommandFailed:
    """The same in an operator's words."""
    match error:
        case CommandFailed():
            return error
        case SetUpError() | RefusedToStart() | SchemaIsNewer():
            return CommandFailed(str(error))
        case ValidationError():
            return CommandFailed(f"the settings are not right: {_settings_faults(error)}")
        case MessagingError():
            return CommandFailed(f"RabbitMQ (RINGFENCE_AMQP_URL): {error}", ExitCode.COULD_NOT)
        case httpx.TransportError():
            return CommandFailed(f"Ringfence does not answer ({_place(error)}): {error}", ExitCode.COULD_NOT)
        case asyncpg.UndefinedTableError() | asyncpg.InvalidSchemaNameError() | asyncpg.UndefinedFunctionError():
            message = f"the database is not migrated to this version ({error}): run `ringfence migrate`"
            return CommandFailed(message, ExitCode.COULD_NOT)
        case _:
            message = f"PostgreSQL (RINGFENCE_POSTGRES_URL): {error or type(error).__name__}"
            return CommandFailed(message, ExitCode.COULD_NOT)


def _settings_faults(error: ValidationError) -> str:
    """Which variables and why, without the values: some are secrets."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"RINGFENCE_{'_'.join(map(str, fault['loc'])).upper()} {fault['msg'][:200]}" if fault["loc"] else fault["msg"]
        for fault in faults
    )


def _place(error: httpx.TransportError) -> str:
    try:
        return str(error.request.url.copy_with(path="/", query=None))
    except RuntimeError:
        return "RINGFENCE_HTTP_URL"
