"""`ringfence migrate`: bring the database of RINGFENCE_POSTGRES_URL to this version."""

import asyncio

from services.commands.console import say
from services.commands.environment import setting
from shared.postgres import migrations


def migrate() -> None:
    """Create or update roles, schemas, functions and grants; again does nothing.

    The login needs CREATEROLE and to own the database. Exit code 1: the database belongs to a later version;
    2: PostgreSQL is out of reach.
    """
    ran = asyncio.run(migrations.migrate(setting("RINGFENCE_POSTGRES_URL")))
    say(*(f"ran {name}" for name in ran) if ran else ["The database is up to date."])
