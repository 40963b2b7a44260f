"""What a relay carries: bytes both ways, ends and cuts, no more than it can pass on, and nobody without the token."""

import asyncio
import contextlib
import hashlib
import sys

import pytest

from console.hosts.loopback import HereLoopback
from console.hosts.relay import relaying
from console.plan.sites import Host
from operations import events
from operations.contract import Relayed
from operations.files import digest
from operations.job import JobFile

SENDS = """
import hashlib, os, socket, sys
port, size = int(sys.argv[1]), int(sys.argv[2])
data = os.urandom(1 << 20)
hasher = hashlib.sha256()
with socket.create_connection(("127.0.0.1", port)) as connection:
    for at in range(0, size, len(data)):
        part = data[: size - at]
        hasher.update(part)
        connection.sendall(part)
        print(at + len(part), flush=True)
    connection.shutdown(socket.SHUT_WR)
    answer = connection.makefile("rb").read()
print(hasher.hexdigest() == answer.decode(), flush=True)
"""
"""Sends random bytes, says how many are on their way, ends, and hears their digest."""
KNOCKS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n" * 10)
    connection.shutdown(socket.SHUT_WR)
    heard = b""
    try:
        while data := connection.recv(65536):
            heard += data
    except ConnectionError:
        pass
print(len(heard))
"""
COUNTS = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
print(len(server.accept()[0].makefile("rb").read()), flush=True)
"""
WAITS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(b"x" * 1000)
    print(1, flush=True)
    print(len(connection.recv(1)), flush=True)
"""
MEGABYTE = 1 << 20


class Sink:
    """Listens here; reads when it may, and answers with the digest of what came."""

    def __init__(self):
        self.may_read = asyncio.Event()
        self.hasher = hashlib.sha256()
        self.came = 0
        self.ended = []

    async def serve(self, reader, writer):
        try:
            await self.may_read.wait()
            while data := await reader.read(1 << 18):
                self.hasher.update(data)
                self.came += len(data)
            writer.write(self.hasher.hexdigest().encode())
            await writer.drain()
            self.ended.append("end")
        except ConnectionError:
            self.ended.append("cut")
        finally:
            writer.close()


@pytest.fixture
async def sink():
    found = Sink()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, limit=65_536)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
async def here(sink):
    """A relay on this machine's loopback alone."""
    async with relaying(HereLoopback(), HereLoopback()) as relay:
        relay.lead(sink.port)
        yield relay


async def test_half_an_end_is_passed_on_and_the_answer_comes_back(here, sink):
    sink.may_read.set()
    reader, writer = await asyncio.open_connection(here.address, here.port)
    writer.write(b"so far")
    writer.write_eof()
    assert await reader.read() == hashlib.sha256(b"so far").hexdigest().encode()
    assert sink.ended == ["end"]
    writer.close()


async def test_a_cut_at_either_end_is_passed_on(here, sink, until):
    sink.may_read.set()
    _, writer = await asyncio.open_connection(here.address, here.port)
    writer.write(b"so far")
    await until(lambda: sink.came)
    writer.transport.abort()
    await until(lambda: sink.ended)
    sink.may_read.clear()
    reader, writer = await asyncio.open_connection(here.address, here.port)
    await until(lambda: here._carrying)
    await here.close()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    sink.may_read.set()
    await until(lambda: len(sink.ended) == 2)


async def test_who_comes_too_early_or_too_many_is_sent_away(here, sink, until):
    async with relaying(HereLoopback(), HereLoopback()) as early:
        reader, writer = await asyncio.open_connection(early.address, early.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    opened = [await asyncio.open_connection(here.address, here.port) for _ in range(8)]
    await until(lambda: len(here._carrying) == 8)
    reader, writer = await asyncio.open_connection(here.address, here.port)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    assert len(here._carrying) == 8
    for _, each in [*opened, (reader, writer)]:
        each.close()


@pytest.fixture
async def both(far, over_ssh):
    """Hosts over SSH, ALPHA and BETA, and the relay from BETA's loopback to ALPHA's."""
    hosts = over_ssh(ALPHA=far("alpha"), BETA=far("beta"))
    async with hosts.relay("BETA", "ALPHA") as relay:
        yield hosts, relay


async def test_a_sink_that_does_not_read_holds_up_the_source(lab, over_ssh, far, sink, until):
    """With half a relay, the sink on this machine: what is under way is some windows and the kernels' buffers."""
    hosts = over_ssh(HERE=Host(root="here"), BETA=far("beta"))
    size = 150 * MEGABYTE
    async with hosts.relay("BETA", "HERE") as relay:
        relay.lead(sink.port)
        source = lab.start("beta", sys.executable, "-c", SENDS, str(relay.port), str(size))
        sent = 0
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(1):
                    sent = int(await asyncio.to_thread(source.stdout.readline))
        assert 0 < sent < 40 * MEGABYTE
        sink.may_read.set()
        await until(lambda: sink.ended)
        assert sink.came == size
        assert source.stdout.read().splitlines()[-1] == b"True"


async def test_nobody_without_the_token_is_served_and_who_has_it_still_is(lab, both, tmp_path, until):
    hosts, relay = both
    source = lab.host["beta"].root / "data" / "x.bin"
    source.parent.mkdir()
    source.write_bytes(bytes(range(256)) * 20_000)
    sha256, size = digest(source)
    artefact = {"path": "data/x.bin", "sha256": sha256, "size": size, "job": "j0", "name": "data"}
    given = {"artefact": artefact, "via": "relay", "relay": {"why": "asked for (via)"}, "patience": 5.0}

    def transfer(role, id="t1", **more):
        parameters = {**given, "role": role, **more}
        return JobFile(id=id, task="T", operation="network.transfer", role=role, parameters=parameters)

    def told(name, kind, id="t1"):
        file = lab.host[name].root / "jobs" / id / "events.jsonl"
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [event for event in map(events.decode, lines) if isinstance(event, kind)]

    await hosts.launch("ALPHA", transfer("sink"), {"token": "c0ffee"})
    (end,) = await until(lambda: told("alpha", events.Endpoint))
    assert end.address == "127.0.0.1"
    relay.lead(end.port)
    knocked = await asyncio.to_thread(lab.run, "beta", sys.executable, "-c", KNOCKS, str(relay.port))
    assert int(knocked.stdout) <= len(b"gladiator-run 3\n") + 32  # the greeting, which anybody gets
    where = {"endpoint_address": relay.address, "endpoint_port": relay.port}
    await hosts.launch("BETA", transfer("source", "t2", **where), {"token": "guess"})
    (last,) = await until(lambda: told("beta", events.Finished, "t2"))
    assert last.outcome == "failed"
    assert "token" in last.reason
    await hosts.launch("BETA", transfer("source", **where), {"token": "c0ffee"})
    for name in ("alpha", "beta"):
        (last,) = await until(lambda name=name: told(name, events.Finished))
        assert (last.outcome, last.reason) == ("done", "")
    away = [event.text for event in told("alpha", events.Log) if "sent 127.0.0.1 away" in event.text]
    assert len(away) == 2
    assert digest(lab.host["alpha"].root / "jobs/t1/artefacts/x.bin") == (sha256, size)
    assert Relayed(why="asked for (via)").line == told("beta", events.Log)[0].text


async def test_nothing_listens_any_more_once_it_is_closed(lab, over_ssh, far):
    hosts = over_ssh(ALPHA=far("alpha"), BETA=far("beta"))

    def listeners():
        return lab.run("beta", "ss", "-ltnH").stdout

    async with hosts.relay("BETA", "ALPHA") as relay:
        assert f"127.0.0.1:{relay.port}" in listeners()
        assert f"0.0.0.0:{relay.port}" not in listeners()
    assert f":{relay.port}" not in listeners()
    assert lab.sessions("beta") == []


async def test_a_link_that_is_cut_ends_what_goes_over_it(lab, both, sink, until):
    _, relay = both
    there = lab.start("alpha", sys.executable, "-c", COUNTS)
    relay.lead(int(there.stdout.readline()))
    source = lab.start("beta", sys.executable, "-c", WAITS, str(relay.port))
    assert source.stdout.readline() == b"1\n"
    await until(lambda: relay._carrying)
    assert lab.kill_sessions("beta")
    assert await asyncio.to_thread(there.stdout.readline) == b"1000\n"
    assert await asyncio.to_thread(source.stdout.readline) in (b"0\n", b"")
    await until(lambda: not relay._carrying)
