"""Which requests are in flight, seen from the kernel's TCP statistics: TorchServe itself does not tell.

A netlink SOCK_DIAG dump of the container's own sockets needs no capability. For every connection it tells how long ago
the last data came and went: a connection that last received is waiting for an answer, one that last sent is idle.
"""

import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

_SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
_NLM_F_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NETLINK_SOCK_DIAG = 4
_TCP_ESTABLISHED = 1
_INET_DIAG_INFO = 2  # linux/inet_diag.h: the attribute that carries struct tcp_info
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBBI48x")  # struct inet_diag_req_v2: family, protocol, extensions, pad, states, any socket
# Offsets in struct inet_diag_msg: local port (big endian), queue lengths, first attribute.
_LOCAL_PORT, _QUEUES, _ATTRIBUTES = 4, 56, 72
_ATTRIBUTE = struct.Struct("=HH")
# Offsets in struct tcp_info (linux/tcp.h, fixed since Linux 4.1).
_LAST_SENT, _LAST_RECEIVED, _BYTES_RECEIVED = 44, 52, 128

# The kernel counts in ticks of up to 10 ms: a request that follows an answer within one tick looks as old as it.
SETTLED_MS = 1000
# Longest doubt about such a connection where the workers' state cannot be seen.
DOUBT_MS = 5000


@dataclass(frozen=True)
class Connection:
    """One established connection: ages in milliseconds of the last data each way, bytes waiting in either queue."""

    port: int
    sent_ms: int
    received_ms: int
    received_bytes: int
    queued_bytes: int


class SocketDiagnosisError(OSError):
    """This kernel does not answer SOCK_DIAG (a gVisor sandbox, a kernel without inet_diag)."""


def established(ports: Sequence[int]) -> list[Connection]:
    """Connections whose local port is one of `ports`, over IPv4 and IPv6, in this container's network namespace."""
    found = []
    try:
        for family in (socket.AF_INET, socket.AF_INET6):
            found += [c for c in _dump(family) if c.port in ports]
    except (OSError, struct.error) as error:
        raise SocketDiagnosisError(str(error)) from error
    return found


def in_flight(connections: Sequence[Connection], workers_busy: Optional[bool]) -> int:
    """How many of the connections carry a request that is not answered yet.

    workers_busy: whether any worker is computing; None where that cannot be seen.
    """
    return sum(_is_waiting(c, workers_busy) for c in connections)


def _is_waiting(connection: Connection, workers_busy: Optional[bool]) -> bool:
    if connection.queued_bytes:
        return True  # a request TorchServe has not read, or an answer the client has not received
    if not connection.received_bytes:
        return False  # opened, never used
    if connection.received_ms < connection.sent_ms:
        return True
    if workers_busy:
        return True  # a streamed answer: sent later than received, and not at its end
    if connection.received_ms > connection.sent_ms:
        return False
    return connection.received_ms < (DOUBT_MS if workers_busy is None else SETTLED_MS)


def workers_busy(java_pid: int, proc: Path = Path("/proc")) -> Optional[bool]:
    """Whether any of TorchServe's workers does anything but wait for its next request; None if that cannot be seen.

    A waiting worker sleeps in the kernel on its Unix socket, and /proc/PID/wchan names the function it sleeps in.
    Java's first thread always sleeps: when even its wchan says nothing ("0"), the kernel does not tell.
    """
    if _wchan(proc / str(java_pid)) in ("", "0"):
        return None
    return any(not _wchan(folder).startswith("unix_stream") for folder in _worker_folders(proc))


def _worker_folders(proc: Path) -> Iterator[Path]:
    for folder in proc.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if b"model_service_worker.py" in command:
            yield folder


def _wchan(folder: Path) -> str:
    try:
        return (folder / "wchan").read_text(encoding="ascii")
    except OSError:
        return ""


def _dump(family: int) -> Iterator[Connection]:
    """All established TCP connections of one address family."""
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INET_DIAG_INFO - 1), 0, 1 << _TCP_ESTABLISHED)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + body)
        while True:
            packet = netlink.recv(1 << 20)
            while packet:
                length, kind = _HEADER.unpack_from(packet)[:2]
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    raise OSError(f"SOCK_DIAG refused: error {-struct.unpack_from('=i', packet, _HEADER.size)[0]}")
                yield _parse(packet[_HEADER.size : length])
                packet = packet[_aligned(length) :]


def _parse(message: bytes) -> Connection:
    """One inet_diag_msg with its attributes."""
    port = struct.unpack_from("!H", message, _LOCAL_PORT)[0]
    received_queue, sent_queue = struct.unpack_from("=II", message, _QUEUES)
    info = b""
    offset = _ATTRIBUTES
    while offset + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        if kind == _INET_DIAG_INFO:
            info = message[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(max(length, _ATTRIBUTE.size))
    sent_ms, received_ms = (struct.unpack_from("=I", info, at)[0] for at in (_LAST_SENT, _LAST_RECEIVED))
    received_bytes = struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0]
    return Connection(port, sent_ms, received_ms, received_bytes, received_queue + sent_queue)


def _aligned(length: int) -> int:
    """Netlink pads every message and attribute to 4 bytes."""
    return (length + 3) & ~3
