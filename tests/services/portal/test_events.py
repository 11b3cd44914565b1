"""Server-sent events (contract §3, Out)."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import orjson
import psutil
import pytest

from services.portal import streams
from services.portal.settings import PortalSettings
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY, HostServices
from tests.services.portal.conftest import WithKey, World

Frame = dict[str, Any]


class Reader:
    """Reads frames from a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()
        self.comments: list[str] = []

    async def next(self, within_s: float = 10) -> Frame:
        frame: Frame = {}
        async with asyncio.timeout(within_s):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif frame:
                    return {**orjson.loads(frame["data"]), "id": int(frame["id"]), "event": frame["event"]}
        raise EOFError

    async def next_line(self) -> None:
        line = await anext(self._lines)
        if line.startswith(":"):
            self.comments.append(line)

    async def until(self, type: str) -> list[Frame]:
        frames = []
        while not frames or frames[-1]["type"] != type:
            frames.append(await self.next())
        return frames


@asynccontextmanager
async def reading(client: httpx.AsyncClient, **headers: str) -> AsyncIterator[Reader]:
    async with client.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


async def adjust(world: World, account_id: str, cents: int = 100) -> None:
    body = {"amount_cents": cents, "description": "for the test"}
    answer = await world.platform.post(f"/v1/accounts/{account_id}/adjustments", json=body)
    assert answer.status_code == 201, answer.text


async def test_the_first_frame_is_the_present_state_and_changes_follow(world: World, with_key: WithKey) -> None:
    account = await world.account(signup_credit_cents=1000)
    client = await with_key(account["api_key"])
    async with reading(client) as reader:
        first = await reader.next()
        assert first["event"] == first["type"] == "balance_changed"
        assert first["data"]["balance_cents"] == 1000
        assert first["data"]["transactions"] == []
        assert first["subject"] == account["id"]
        await adjust(world, account["id"])
        news = (await reader.until("balance_changed"))[-1]
        while news["data"]["balance_cents"] == 1000:  # of the sign-up credit, if it came after we did
            news = (await reader.until("balance_changed"))[-1]
        assert news["data"]["balance_cents"] == 1100
        assert news["data"]["version"] > first["data"]["version"]
        assert news["id"] > first["id"]


async def test_last_event_id_replays_what_followed(world: World, with_key: WithKey) -> None:
    account = await world.account()
    client = await with_key(account["api_key"])
    for _ in range(3):
        await adjust(world, account["id"])
        await asyncio.sleep(0.3)
    listed = (await client.get(f"/v1/accounts/{account['id']}/events?limit=200")).json()["data"][::-1]
    seen = listed[1]["seq"]
    async with reading(client, **{"Last-Event-ID": str(seen)}) as reader:
        state = await reader.next()
        assert (state["type"], state["data"]["balance_cents"]) == ("balance_changed", 1300)
        replayed = [await reader.next() for _ in listed[2:]]
    assert [frame["id"] for frame in replayed] == [event["seq"] for event in listed[2:]]
    assert [frame["type"] for frame in replayed] == [event["type"] for event in listed[2:]]
    ids = [state["id"], *(frame["id"] for frame in replayed)]
    assert ids == sorted(set(ids))


async def test_events_older_than_a_day_are_not_replayed(world: World, with_key: WithKey) -> None:
    account = await world.account()
    client = await with_key(account["api_key"])
    await asyncio.sleep(0.5)
    await world.advance(25 * 3600)
    await adjust(world, account["id"])
    async with reading(client, **{"Last-Event-ID": "0"}) as reader:
        await reader.next()
        assert (await reader.next())["data"]["balance_cents"] == 1100


@pytest.mark.parametrize("nonsense", ["-1", "x", "9" * 30, "1.5", ""])
async def test_a_last_event_id_that_is_no_number_is_passed_over(world: World, with_key: WithKey, nonsense: str) -> None:
    client = await with_key((await world.account())["api_key"])
    async with reading(client, **{"Last-Event-ID": nonsense}) as reader:
        assert (await reader.next())["type"] == "balance_changed"


async def test_an_account_hears_only_itself(world: World, with_key: WithKey) -> None:
    mine, other = await world.account(), await world.account()
    client = await with_key(mine["api_key"])
    refused = await client.get("/v1/events", headers={"Ringfence-Account": other["id"]})
    assert refused.status_code == 404
    assert (await world.platform.get("/v1/events")).json()["error"]["code"] == "account_required"
    assert (await (await world.browser()).get("/v1/events")).status_code == 401
    async with reading(client) as reader:
        await reader.next()
        await adjust(world, other["id"])
        await adjust(world, mine["id"])
        assert {frame["subject"] for frame in await reader.until("balance_changed")} == {mine["id"]}


async def test_a_browser_reads_with_its_cookie(world: World) -> None:
    account = await world.account()
    browser = await world.browser(await world.link(account["id"]))
    async with reading(browser) as reader:
        assert (await reader.next())["subject"] == account["id"]


async def test_pages_of_other_origins_read_only_where_allowed(
    host_services: HostServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract §3: "allowed origins are a setting"."""
    monkeypatch.setenv("RINGFENCE_ALLOWED_ORIGINS", "https://dash.example, https://other.example:8443")
    hosted = await host_services()
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
        made = await platform.post("/v1/accounts", json={"id": "here", "name": "Blue Door Dental"})
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=key, timeout=30) as client:
        for origin in ("https://dash.example", "https://other.example:8443"):
            async with reading(client, Origin=origin) as reader:
                assert reader.answer.headers["access-control-allow-origin"] == origin
                assert reader.answer.headers["access-control-allow-credentials"] == "true"
                assert "origin" in reader.answer.headers["vary"].lower()
            asked = await client.options("/v1/events", headers={"Origin": origin})
            assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, origin)
            assert "Last-Event-ID" in asked.headers["access-control-allow-headers"]
        for origin in ("https://evil.example", "https://dash.example.evil.example", "http://dash.example", "null"):
            for method in ("GET", "OPTIONS"):
                async with client.stream(method, "/v1/events", headers={"Origin": origin}) as refused:
                    assert refused.status_code == 403, origin
                    assert "access-control-allow-origin" not in refused.headers
        async with reading(client, Origin=hosted.url) as reader:
            assert "access-control-allow-origin" not in reader.answer.headers


async def test_a_reader_who_is_far_behind_is_dropped_to_the_present_state(world: World) -> None:
    """Contract §3: "a reader 64 KiB behind is dropped to the present state". What is replayed is not dropped."""
    account_id = (await world.account())["id"]
    async with owner_of(world) as owner, world.hosted.host.open_pool("portal", size_max=2) as pool:
        stream = streams.Streams(pool, world.hosted.host.clock, PortalSettings())
        slow = stream.follow(account_id, None, stays)
        await anext(slow)
        await leave_events(owner, account_id, 150)
        state = await anext(slow)
        assert state.event == "balance_changed"
        replaying = stream.follow(account_id, 0, stays)
        replayed = [(await anext(replaying)).event for _ in range(150)]
        assert replayed.count("balance_low") > 140
        await slow.aclose()
        await replaying.aclose()


async def stays() -> bool:
    return True


async def leave_events(owner: asyncpg.Connection, account_id: str, count: int) -> None:
    """So many events of 600 bytes."""
    await owner.execute(
        "SELECT ledger.append_event_v1($1, 'balance_low', jsonb_build_object('pad', repeat('x', 600)), $3) "
        "FROM generate_series(1, $2)",
        account_id,
        count,
        datetime.now(UTC),
    )


@asynccontextmanager
async def owner_of(world: World) -> AsyncIterator[asyncpg.Connection]:
    owner = await asyncpg.connect(world.hosted.host.settings.postgres_url)
    try:
        yield owner
    finally:
        await owner.close()


async def test_a_stream_of_a_revoked_key_ends(host_services: HostServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract §0: "revocable (effective within 10 s)": a key is remembered for 5 s and looked at again every 5 s."""
    assert Settings(postgres_url="", amqp_url="").key_cache_seconds + streams.RECHECK_SECONDS <= 10
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.1)
    hosted = await host_services(key_cache_seconds=0.1)
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
        made = (await platform.post("/v1/accounts", json={"id": "here", "name": "Blue Door Dental"})).json()
        key = {"Authorization": f"Bearer {made['api_key']}"}
        async with httpx.AsyncClient(base_url=hosted.url, headers=key, timeout=30) as client, reading(client) as reader:
            await reader.next()
            keys = (await platform.get("/v1/accounts/here/keys")).json()["data"]
            await platform.delete(f"/v1/accounts/here/keys/{keys[0]['id']}")
            with pytest.raises(EOFError):
                await reader.until("never")


async def test_a_stream_ends_with_its_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract §0: a portal session lasts 30 minutes."""
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.1)
    browser = await world.browser(await world.link((await world.account())["id"]))
    async with reading(browser) as reader:
        await reader.next()
        await world.advance(1801)
        with pytest.raises(EOFError):
            await reader.until("never")


async def test_a_comment_keeps_a_quiet_stream_open(
    host_services: HostServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract §3: "a comment every 15 s". Here a second is long enough."""
    assert PortalSettings().heartbeat_seconds == 15
    monkeypatch.setenv("RINGFENCE_HEARTBEAT_SECONDS", "1")
    hosted = await host_services()
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
        await platform.post("/v1/accounts", json={"id": "here", "name": "Blue Door Dental"})
        async with reading(platform, **{"Ringfence-Account": "here"}) as reader:
            async with asyncio.timeout(20):
                while len(reader.comments) < 2:
                    await reader.next_line()
            assert set(reader.comments) == {": still here"}


async def test_readers_who_do_not_read_cost_no_memory_and_find_the_present_state(world: World) -> None:
    """Contract §3: "a reader 64 KiB behind is dropped to the present state". Issue: "never unbounded memory"."""
    account = await world.account(signup_credit_cents=1000)
    asleep = [await sleeper(world, account["api_key"]) for _ in range(SLEEPERS)]
    async with owner_of(world) as owner:
        before = psutil.Process().memory_info().rss
        for _ in range(LEFT_EVENTS // 500):
            await leave_events(owner, account["id"], 500)
            await adjust_at_last(world, account["id"], 1)  # whoever could be told is told
    await adjust_at_last(world, account["id"], 100)
    await asyncio.gather(*(wakes_to(reader, b'"balance_cents": 1106') for reader in asleep[:READ_AFTERWARDS]))
    grown = psutil.Process().memory_info().rss - before
    assert grown < SLEEPERS * LEFT_EVENTS * EVENT_BYTES // 8, f"{grown >> 20} MiB more"
    for reader in asleep:
        reader.close()


SLEEPERS, LEFT_EVENTS, EVENT_BYTES, READ_AFTERWARDS = 100, 3_000, 600, 5
"""Together they miss 180 MB."""


async def adjust_at_last(world: World, account_id: str, cents: int) -> None:
    """A busy machine may be told to try again."""
    body = {"amount_cents": cents, "description": "for the test"}
    async with asyncio.timeout(60):
        while (await world.platform.post(f"/v1/accounts/{account_id}/adjustments", json=body)).status_code != 201:
            pass


async def sleeper(world: World, key: str) -> socket.socket:
    """An open stream that nobody reads; the kernel takes little of it."""
    address = urlsplit(world.url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    reader.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(reader, (address.hostname, address.port))
    ask = f"GET /v1/events HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {key}\r\n\r\n"
    await loop.sock_sendall(reader, ask.encode())
    return reader


async def wakes_to(reader: socket.socket, state: bytes) -> None:
    """Read on until the state comes; it must come long before everything that was missed has."""
    loop = asyncio.get_running_loop()
    read, last = 0, b""
    async with asyncio.timeout(60):
        while state not in last:
            got = await loop.sock_recv(reader, 65_536)
            assert got, "the stream ended"
            read += len(got)
            last = last[-200:] + got
    assert read < LEFT_EVENTS * EVENT_BYTES // 2, f"{read} bytes"


async def test_a_thousand_streams_are_open_on_one_process(world: World) -> None:
    """Issue: "1,000 open streams on one process", all of them told of a change."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8_192)), hard))
    account = await world.account(signup_credit_cents=1000)
    at_once = asyncio.Semaphore(50)
    before = psutil.Process().memory_info().rss
    pages = await asyncio.gather(*(raw_stream(world, account["api_key"], at_once) for _ in range(1_000)))
    told = [asyncio.create_task(read.readuntil(b'"balance_cents": 1100')) for read, _ in pages]
    await adjust(world, account["id"])
    async with asyncio.timeout(60):
        await asyncio.gather(*told)
    grown = psutil.Process().memory_info().rss - before
    assert grown < STREAM_KIB_MAX * 1024 * len(pages), f"{grown // len(pages) // 1024} KiB for each"
    for _, write in pages:
        write.close()


STREAM_KIB_MAX = 200
"""What one stream may cost here, both ends of it, as this process is also its readers."""


async def raw_stream(
    world: World, key: str, at_once: asyncio.Semaphore
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An open stream whose first frame has come."""
    address = urlsplit(world.url)
    async with at_once:
        read, write = await asyncio.open_connection(address.hostname, address.port)
        write.write(f"GET /v1/events HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        await read.readuntil(b"event: balance_changed")
        return read, write
