"""What the portal's routes and streams share."""

from dataclasses import dataclass

import asyncpg
import httpx

from services.portal.pages import Pages
from services.portal.settings import PortalSettings
from services.portal.streams import Streams
from shared.service import Host


@dataclass(frozen=True)
class PortalContext:
    """The opened portal: its pool acts as the role portal. `api`: to other processes, if need be."""

    host: Host
    pool: asyncpg.Pool
    settings: PortalSettings
    streams: Streams
    pages: Pages
    api: httpx.AsyncClient | None
