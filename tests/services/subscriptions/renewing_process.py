"""A process of its own that hosts subscriptions until it is killed."""

import asyncio

from services.subscriptions.service import SUBSCRIPTIONS
from shared.runtime import host
from shared.settings import Settings


async def main() -> None:
    async with host([SUBSCRIPTIONS], Settings(), listen=False):  # type: ignore[call-arg]
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
