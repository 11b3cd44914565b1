"""What the portal's routes and streams share."""

from dataclasses import dataclass

import asyncpg

from services.portal.pages import Pages
from services.portal.settings import PortalSettings
from services.portal.streams import Streams
from shared.service import Host


@dataclass(frozen=True)
class PortalContext:
    """The opened portal: its pool acts as the role portal."""

    host: Host
    pool: asyncpg.Pool
    settings: PortalSettings
    streams: Streams
    pages: Pages
