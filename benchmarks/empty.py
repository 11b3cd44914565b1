"""The empty handler: reads the body, answers 200 bytes, on the same HTTP server as the services."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

ANSWER = b"x" * 200
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"200")]


async def answer(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        answer,
        port=int(os.environ["RINGFENCE_HTTP_PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        backlog=4096,
    )
