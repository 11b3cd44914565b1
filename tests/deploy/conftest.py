"""Servers of these tests' own, started where everything usual is taken."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from deploy.local.servers import AMQP_VARIABLES, Servers, private_servers

DEFAULT_PORTS = (5432, 5672, 4369, 25672)


ADDRESSES = ("RINGFENCE_POSTGRES_URL", *AMQP_VARIABLES.values())


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests start servers of their own, also where the other tests are given some."""
    for name in ADDRESSES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def default_ports_taken() -> Iterator[None]:
    """Somebody listens wherever PostgreSQL, RabbitMQ and epmd usually do, as on a machine that runs them."""
    with ExitStack() as stack:
        for port in DEFAULT_PORTS:
            listener = stack.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue  # somebody really does
            listener.listen()
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory, default_ports_taken: None) -> AsyncIterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    with pytest.MonkeyPatch.context() as environment:
        for name in ADDRESSES:
            environment.delenv(name, raising=False)
        starting = private_servers(folder, keep_data=False, report=lambda _: None)
        running = await starting.__aenter__()
    yield running
    await starting.__aexit__(None, None, None)
