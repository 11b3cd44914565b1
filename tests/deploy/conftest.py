"""Servers of these tests' own, started where everything usual is taken."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from deploy.local.servers import AMQP_VARIABLES, Servers, private_servers

DEFAULT_PORTS = (5432, 5672, 4369, 25672)


@pytest.fixture(scope="session", autouse=True)
def nothing_given() -> Iterator[None]:
    """These tests start servers; addresses in the environment would prevent that."""
    names = ("RINGFENCE_POSTGRES_URL", *AMQP_VARIABLES.values())
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    yield
    os.environ.update(before)


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
    async with private_servers(folder, keep_data=False, report=lambda _: None) as running:
        yield running
