"""Redis in more shapes than one server: a master with a replica under a Sentinel, a cluster of three, behind TLS."""

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.harness.servers import ServerProcess, free_port, valkey_binary
from tests.harness.wait import wait_until

SERVICE: Final = "intents-master"
SLOTS: Final = 16_384
TIME: Final = 20.0


def server(folder: Path, *options: str, name: str = "valkey", port: int | None = None) -> ServerProcess:
    """A server of its own that keeps nothing on disk; `options` are lines of its configuration. Not started yet."""
    port = free_port() if port is None else port
    return _process(folder, name, port, ["save ''", "appendonly no", "repl-diskless-sync-delay 0", *options])


@contextmanager
def sentinel(folder: Path) -> Iterator[tuple[str, dict[str, ServerProcess]]]:
    """The URL, and master, replica and sentinel, all of them running."""
    with ExitStack() as stack:
        master = _run(stack, server(folder / "master", name="master"))
        replica = _run(
            stack, server(folder / "replica", f"replicaof 127.0.0.1 {_port(master)}", name="replica")
        )
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {_port(master)} 1",
            f"sentinel down-after-milliseconds {SERVICE} 500",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]
        watcher = _run(stack, _process(folder / "sentinel", "sentinel", free_port(), lines, ["--sentinel"]))
        with client(replica) as asked:
            wait_until(lambda: asked.info("replication")["master_link_status"] == "up", TIME)
        with client(watcher) as asked:
            wait_until(lambda: len(asked.sentinel_slaves(SERVICE)) == 1, TIME)
        yield (
            f"redis+sentinel://127.0.0.1:{_port(watcher)}/{SERVICE}",
            {"master": master, "replica": replica, "sentinel": watcher},
        )


@contextmanager
def cluster(
    folder: Path, nodes: int = 3, *, replica: bool = False
) -> Iterator[tuple[str, list[ServerProcess]]]:
    """The URL and the nodes, each master of its part of the slots; with `replica` one more stands by for the first."""
    with ExitStack() as stack:
        started: list[ServerProcess] = []
        buses: list[int] = []
        for number in range(nodes + replica):
            buses.append(free_port())
            lines = (
                "cluster-enabled yes",
                "cluster-node-timeout 1000",
                "cluster-require-full-coverage no",
                f"cluster-port {buses[-1]}",
            )
            started.append(_run(stack, server(folder / f"node{number}", *lines, name=f"node{number}")))
        bounds = [SLOTS * number // nodes for number in range(nodes + 1)]
        clients = [stack.enter_context(client(one)) for one in started]
        for number, one in enumerate(clients):
            if number < nodes:
                one.execute_command("CLUSTER ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            one.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            if number:
                one.execute_command("CLUSTER MEET", "127.0.0.1", _port(started[0]), buses[0])

        def joined() -> bool:
            told = [one.execute_command("CLUSTER INFO") for one in clients]
            return all(
                str(one["cluster_slots_ok"]) == str(SLOTS) and one["cluster_state"] == "ok" for one in told
            )

        wait_until(joined, TIME)
        if replica:
            first = clients[0].execute_command("CLUSTER MYID")
            wait_until(lambda: _replicates(clients[nodes], first), TIME)
            wait_until(lambda: clients[nodes].info("replication")["master_link_status"] == "up", TIME)
            for one in clients:
                wait_until(lambda one=one: len(one.execute_command("CLUSTER REPLICAS", first)) == 1, TIME)
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{_port(one)}" for one in started), started


def _replicates(node: Any, master: str) -> bool:
    try:
        return bool(node.execute_command("CLUSTER REPLICATE", master))
    except redis.ResponseError as error:
        # it has not met that node yet
        raise OSError(str(error)) from error


@contextmanager
def client(process: ServerProcess) -> Iterator[Any]:
    """A plain client of this one, for a test's own look."""
    with redis.Redis(port=_port(process), decode_responses=True, socket_timeout=5) as opened:
        yield opened


def keys(process: ServerProcess, pattern: str) -> set[str]:
    """Of those this one holds."""
    with client(process) as asked:
        return set(asked.keys(pattern))


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA of a test's own and a certificate for 127.0.0.1 that it vouches for, as files in PEM."""

    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def authority(folder: Path, *, host: str = "127.0.0.1") -> Authority:
    """Valid for an hour."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name("test CA"), _name("redis")
    ca = _certificate(ca_name, ca_name, ca_key, ca_key, x509.BasicConstraints(ca=True, path_length=0))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
    made = _certificate(name, ca_name, key, ca_key, x509.BasicConstraints(ca=False, path_length=None), names)
    files = Authority(folder / "ca.pem", folder / "redis.pem", folder / "redis.key")
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@asynccontextmanager
async def tls(process: ServerProcess, files: Authority) -> AsyncIterator[int]:
    """The port of a TLS front of this server: the wheel's Valkey is built without TLS, the handshake is a real one."""

    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        back = await asyncio.open_connection("127.0.0.1", _port(process))
        await asyncio.gather(_pump(reader, back[1]), _pump(back[0], writer))
        serving.discard(task)

    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=files.server_context())
    try:
        yield front.sockets[0].getsockname()[1]
    finally:
        front.close()
        # whoever was served has gone: both ways end by themselves
        await asyncio.gather(*serving)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _process(
    folder: Path, name: str, port: int, lines: Sequence[str], options: Sequence[str] = ()
) -> ServerProcess:
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / f"{name}.conf"
    # a Sentinel keeps its state in this file
    text = "\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", "daemonize no", *lines])
    configuration.write_text(text + "\n", encoding="utf-8")
    binary = valkey_binary()
    assert binary is not None, "no Redis-protocol server (make setup)"
    return ServerProcess(
        name=name,
        argv=[binary, configuration, *options],
        url=f"redis://127.0.0.1:{port}/0",
        folder=folder,
        ready=lambda: _answers(port),
    )


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))


def _run(stack: ExitStack, process: ServerProcess) -> ServerProcess:
    stack.callback(process.kill9)
    return process.start()


def _port(process: ServerProcess) -> int:
    return int(process.url.rsplit(":", 1)[1].split("/")[0])


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )
    for extension in extensions:
        made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return made.sign(signer, hashes.SHA256())
