"""Bring a database to the present schema: numbered migrations once each, functions and views anew after every change.

Each service keeps `sql/migrations/NNN_what.sql` (run once, never edited after release), `sql/functions/*.sql`
(`CREATE OR REPLACE`, run in the order of their names) and `sql/grants.sql` (what its role and others may do).
In them `:"ledger"` stands for the role of the service ledger, as psql writes it: roles are cluster-wide, so each
database has its own, `<prefix>_<service>`.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg

SERVICES_FOLDER = Path(__file__).resolve().parents[2] / "services"
ORDER = ("ledger", "gatekeeper", "payments", "scheduler", "subscriptions", "portal")
"""The ledger first: the others' grants name its doors."""
ROLES = (*ORDER, "audit")

_LOCK = 8402
_ROLE = re.compile(r':"(\w+)"')


class SchemaIsNewer(Exception):
    """The database was migrated by a later version than this one."""


async def migrate(url: str, *, role_prefix: str | None = None) -> Sequence[str]:
    """Create roles and schemas, run what has not run yet; returns the names of the migrations that ran.

    The login needs CREATEROLE and to own the database. Safe to call from several processes at once.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        return await _migrate(connection, role_prefix)
    finally:
        await connection.close()


async def _migrate(connection: asyncpg.Connection, role_prefix: str | None) -> list[str]:
    async with connection.transaction():
        prefix = await _installation(connection, role_prefix)
        await _create_roles(connection, prefix)
    ran = []
    done = {row["name"] for row in await connection.fetch("SELECT name FROM public.ringfence_migrations")}
    present = _fingerprint()
    if await connection.fetchval("SELECT fingerprint FROM public.ringfence_installation") == present:
        return []
    async with connection.transaction():
        await _drop_repeatables(connection)
        for name, path in _migrations():
            if name not in done:
                await connection.execute(_with_roles(path.read_text(encoding="utf-8"), prefix))
                await connection.execute("INSERT INTO public.ringfence_migrations (name) VALUES ($1)", name)
                ran.append(name)
        unknown = done - {name for name, _ in _migrations()}
        if unknown:
            raise SchemaIsNewer(f"the database has migrations this version does not know: {sorted(unknown)}")
        for path in _repeatables():
            await connection.execute(_with_roles(path.read_text(encoding="utf-8"), prefix))
        await connection.execute("UPDATE public.ringfence_installation SET fingerprint = $1", present)
    return ran


async def _installation(connection: asyncpg.Connection, wanted_prefix: str | None) -> str:
    await connection.execute("""
        CREATE TABLE IF NOT EXISTS public.ringfence_installation (
            role_prefix text NOT NULL, fingerprint text NOT NULL DEFAULT '');
        CREATE TABLE IF NOT EXISTS public.ringfence_migrations (
            name text PRIMARY KEY, ran_at timestamptz NOT NULL DEFAULT now());
        GRANT SELECT ON public.ringfence_installation TO PUBLIC;
    """)
    prefix: str | None = await connection.fetchval("SELECT role_prefix FROM public.ringfence_installation")
    if prefix is None:
        prefix = wanted_prefix or await connection.fetchval("SELECT current_database()")
        await connection.execute("INSERT INTO public.ringfence_installation (role_prefix) VALUES ($1)", prefix)
    return prefix


async def _create_roles(connection: asyncpg.Connection, prefix: str) -> None:
    for service in ROLES:
        role = f"{prefix}_{service}"
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {_quoted(role)} NOLOGIN")
        if (
            not await connection.fetchval("SELECT pg_has_role(current_user, $1, 'SET')", role)
            if (connection.get_server_version().major >= 16)
            else not await connection.fetchval("SELECT pg_has_role(current_user, $1, 'MEMBER')", role)
        ):
            await connection.execute(f"GRANT {_quoted(role)} TO current_user")


async def _drop_repeatables(connection: asyncpg.Connection) -> None:
    """Old functions and views go before the new come, in the same commit: one whose parameters changed would stay
    beside its successor. Views first, with the functions that speak of their rows; then all functions in one
    statement, which fails if anything but them depends on one.
    """
    schemas = list(ORDER)
    views = await connection.fetchval(
        "SELECT string_agg(format('%I.%I', schemaname, viewname), ', ') FROM pg_views WHERE schemaname = ANY($1)",
        schemas,
    )
    if views:
        await connection.execute(f"DROP VIEW {views} CASCADE")
    routines = await connection.fetchval(
        "SELECT string_agg(pg_proc.oid::regprocedure::text, ', ') FROM pg_proc"
        " JOIN pg_namespace ON pg_namespace.oid = pronamespace"
        " WHERE nspname = ANY($1) AND prorettype <> 'trigger'::regtype",
        schemas,
    )
    if routines:
        await connection.execute(f"DROP ROUTINE {routines}")


def _migrations() -> list[tuple[str, Path]]:
    return [
        (f"{service}/{path.stem}", path)
        for service in ORDER
        for path in sorted((SERVICES_FOLDER / service / "sql" / "migrations").glob("*.sql"))
    ]


def _repeatables() -> list[Path]:
    functions = [
        path for service in ORDER for path in sorted((SERVICES_FOLDER / service / "sql" / "functions").glob("*.sql"))
    ]
    grants = [SERVICES_FOLDER / service / "sql" / "grants.sql" for service in ORDER]
    return functions + [path for path in grants if path.exists()]


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in [*(path for _, path in _migrations()), *_repeatables()]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _with_roles(text: str, prefix: str) -> str:
    return _ROLE.sub(lambda match: _quoted(f"{prefix}_{match[1]}"), text)


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
