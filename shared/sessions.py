"""Who is signed in: cookies to sessions. The portal makes and ends them; every service may ask."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.access import secret_hash
from shared.clock import Clock, SystemClock

COOKIE = "ringfence_session"
COOKIE_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in. `operator` names the person of an ops session; then there is no account."""

    session_id: str
    kind: Literal["account", "ops"]
    account_id: str | None
    operator: str | None
    is_agency: bool
    parent_id: str | None
    csrf_token: str
    expires_at: datetime

    def is_page_token(self, text: str) -> bool:
        """Whether it is the token that this session's pages carry."""
        return hmac.compare_digest(text.encode("utf-8", "surrogatepass"), self.csrf_token.encode())


FindSession = Callable[[bytes], Awaitable[Session | None]]


class Sessions:
    """Looks cookies up by hash; nothing is remembered, so signing out ends a session at once."""

    def __init__(self, find: FindSession, clock: Clock) -> None:
        self._find = find
        self._clock = clock

    async def of_cookie(self, cookie: str | None) -> Session | None:
        """Who is signed in; None when nobody is, or no longer."""
        if not cookie or len(cookie) > COOKIE_LENGTH_MAX:
            return None
        session = await self._find(secret_hash(cookie))
        return session if session is not None and session.expires_at > self._clock.now() else None


def nobody_signed_in() -> Sessions:
    """For a host without a portal."""

    async def nobody(_: bytes) -> None:
        return None

    return Sessions(nobody, SystemClock())
