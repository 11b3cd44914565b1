"""Too fast → 429 with Retry-After, per key (contract §0). The gate is not limited: a refused check is a lost call."""

import math
import time
from typing import Any

from shared.access import secret_hash, secret_of
from shared.edge import RAW_PATHS, Receive, Send, header
from shared.http_errors import ApiError
from shared.service import Asgi
from shared.settings import Settings

KEYS_MAX = 100_000


class RateLimit:
    """A token bucket per key; requests without one share their bucket per client address.

    Platform keys carry the traffic of a whole platform and are not limited; nor are webhooks, which are signed.
    """

    def __init__(self, app: Asgi, settings: Settings) -> None:
        self._app = app
        self._rate = settings.rate_limit_per_second
        self._burst = settings.rate_limit_burst
        self._unlimited = secret_hash(settings.platform_key or "")
        self._buckets: dict[bytes, tuple[float, float]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and self._rate
            and scope["path"].startswith("/v1/")
            and scope["path"] not in RAW_PATHS
        ):
            key = self._key(scope)
            if key != self._unlimited:
                self._take(key)
        await self._app(scope, receive, send)

    @staticmethod
    def _key(scope: dict[str, Any]) -> bytes:
        try:
            return secret_hash(secret_of(header(scope, b"authorization")))
        except ApiError:
            return f"address {(scope.get('client') or ('',))[0]}".encode()

    def _take(self, key: bytes) -> None:
        now = time.monotonic()
        tokens, at = self._buckets.get(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens < 1:
            wait_seconds = math.ceil((1 - tokens) / self._rate)
            raise ApiError(
                429,
                "rate_limited",
                "Too many requests; try again later.",
                headers={"Retry-After": str(wait_seconds)},
            )
        if len(self._buckets) >= KEYS_MAX:
            self._buckets.clear()
        self._buckets[key] = (tokens - 1, now)
