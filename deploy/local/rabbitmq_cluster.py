"""A RabbitMQ cluster on this machine: nodes with ports and data of their own, one name server, one cookie.

For showing what becomes of the system when a node dies. Quorum queues declared while all nodes are up have a
replica on each.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.processes import Report, ServerProcess, SetUpError, end_leftover, free_port
from deploy.local.rabbitmq import PrivateBroker, write_private
from deploy.local.rabbitmq_programs import Programs, find_programs
from deploy.rabbitmq.definitions import USERS, VHOST

FORMATION = """\
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.randomized_startup_delay_range.min = 0
cluster_formation.randomized_startup_delay_range.max = 1
"""


class Secrets:
    """What all nodes share."""

    def __init__(self) -> None:
        self.cookie = secrets.token_hex(20)
        self.passwords = {user: secrets.token_hex(24) for user in USERS}


class Node(PrivateBroker):
    """One node; the name server is the cluster's, so that it outlives any of them."""

    def __init__(
        self, folder: Path, cache: Path, report: Report, *, name: str, all_names: list[str], shared: Secrets
    ) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder, cache, report)
        self.name = name
        self._all_names = all_names
        self._shared = shared
        self.cluster_epmd_port = 0

    async def start(self) -> None:
        if self._node is not None:
            return
        if self._programs is None:
            raise SetUpError("a cluster needs RabbitMQ's programs on this machine; Docker will not do")
        environment = self._environment(self._programs)
        self._node = self._spawn([str(self._programs.sbin / "rabbitmq-server")], self._pid_file, environment)
        await self._ready(self._node)

    async def ask(self, *words: str) -> str:
        """What `rabbitmqctl` answers about the whole cluster, asked of this node."""
        assert self._programs is not None
        asked = await asyncio.create_subprocess_exec(
            str(self._programs.sbin / "rabbitmqctl"),
            *words,
            env=self._environment(self._programs),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asked.communicate()
        if asked.returncode != 0:
            raise SetUpError(f"rabbitmqctl {words[0]} failed:\n{errors.decode(errors='replace')[-2000:]}")
        return output.decode()

    def _configure(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        write_private(self._home / "passwords.json", json.dumps(self._shared.passwords))
        write_private(self._home / ".erlang.cookie", self._shared.cookie)
        (self._home / ".erlang.cookie").chmod(0o400)
        super()._configure()
        members = [
            f"cluster_formation.classic_config.nodes.{place} = {name}\n"
            for place, name in enumerate(self._all_names, start=1)
        ]
        with (self._configuration / "rabbitmq.conf").open("a") as configuration:
            configuration.write(FORMATION + "".join(members))

    def _environment(self, programs: Programs) -> dict[str, str]:
        ours = {"RABBITMQ_NODENAME": self.name, "ERL_EPMD_PORT": str(self.cluster_epmd_port)}
        return super()._environment(programs) | ours


class PrivateCluster:
    """Its nodes, in the order they were started."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def url(self, port: int) -> str:
        """The operator's address, at a port that leads to any node."""
        password = json.loads((self.nodes[0].home / "passwords.json").read_text())["operator"]
        return f"amqp://operator:{password}@127.0.0.1:{port}/{VHOST}"

    async def leader_of(self, queue: str) -> Node:
        """The node whose replica of this queue speaks for the others."""
        told = json.loads(
            await self.nodes[0].ask("list_queues", "-q", "-p", VHOST, "name", "leader", "--formatter", "json")
        )
        (leader,) = [row["leader"] for row in told if row["name"] == queue]
        (node,) = [node for node in self.nodes if node.name == leader]
        return node


@asynccontextmanager
async def private_cluster(folder: Path, cache: Path, report: Report, *, size: int) -> AsyncIterator[PrivateCluster]:
    """All nodes up and joined; gone with their data when the block ends."""
    programs = await find_programs(cache, report)
    if programs is None:
        raise SetUpError("a cluster needs RabbitMQ's programs on this machine; Docker will not do")
    names = [f"ringfence{place}@localhost" for place in range(1, size + 1)]
    shared = Secrets()
    nodes = [
        Node(folder / f"node-{place}", cache, report, name=name, all_names=names, shared=shared)
        for place, name in enumerate(names, start=1)
    ]
    cluster = PrivateCluster(nodes)
    for node in nodes:
        await node.prepare(keep_data=False)
    epmd = await _name_server(folder, programs, {node.port for node in nodes})
    try:
        for node in nodes:
            node.cluster_epmd_port = epmd[1]
            await node.start()
        await nodes[0].ask("await_online_nodes", str(size))
        yield cluster
    finally:
        await asyncio.gather(*(node.kill() for node in nodes))
        await epmd[0].kill()
        for node in nodes:
            await node.remove_data()


async def _name_server(folder: Path, programs: Programs, taken: set[int]) -> tuple[ServerProcess, int]:
    pid_file = folder / "cluster-epmd.pid"
    await end_leftover(pid_file, signal.SIGTERM)
    port = free_port(frozenset(taken))
    process = ServerProcess.start(
        [programs.epmd(), "-address", "127.0.0.1", "-port", str(port)],
        environment=programs.paths(),
        log=folder / "cluster-epmd.log",
        pid_file=pid_file,
        stop_signal=signal.SIGTERM,
    )
    return process, port
