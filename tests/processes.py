"""Services as processes of their own, so that they can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shared.settings import Settings

ROOT = Path(__file__).parents[1]


class ServiceProcess:
    """`ringfence run --services …`, started, killed and started again."""

    def __init__(
        self, services: str, settings: Settings, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._services = services
        self._log = log
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")},
            "RINGFENCE_POSTGRES_URL": settings.postgres_url,
            "RINGFENCE_AMQP_URL": settings.amqp_url,
            "RINGFENCE_HTTP_PORT": str(settings.http_port),
            "RINGFENCE_TEST_CLOCK": "1" if settings.test_clock else "0",
            "RINGFENCE_PLATFORM_KEY": settings.platform_key or "",
            **(environment or {}),
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "services",
                "run",
                "--services",
                self._services,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, and wait for a clean end."""
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(ProcessLookupError):
            process.send_signal(how)
        return await process.wait()
