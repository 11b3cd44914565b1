"""The migrated database that each case gets a copy of."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.servers import Servers

TEMPLATE = "faults_template"


async def fresh_template(servers: Servers) -> str:
    """An empty database of that name; its address."""
    admin = await asyncpg.connect(servers.postgres_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{TEMPLATE}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{TEMPLATE}"')
    finally:
        await admin.close()
    return urlunsplit(urlsplit(servers.postgres_url)._replace(path=f"/{TEMPLATE}"))
