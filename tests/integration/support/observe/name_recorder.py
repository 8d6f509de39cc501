"""Passes DNS questions on to Docker's own name server and prints who asked for which name, a JSON object per line.

It runs on its own in a container next to a stack (asked_names.py): standard library only.
"""

import json
import socket
import socketserver
import sys
import threading

PORT = 53
# In every container of a project; asked from this one, whose `dns` is not set, it asks the machine's name server.
DOCKERS_OWN = ("127.0.0.11", PORT)
# Seconds; a resolver asks again after five.
PATIENCE = 4
MAX_BYTES = 65535


def name_in(message: bytes) -> str:
    """Returns the name that a DNS message asks for, in lower case and without the root's dot at its end."""
    labels, at = [], 12
    while size := message[at]:
        labels.append(message[at + 1 : at + 1 + size].decode("ascii", "backslashreplace"))
        at += 1 + size
    return ".".join(labels).lower()


def record(client: str, message: bytes) -> None:
    """Prints who asked, and for which name."""
    # One write: print would write the line's end by itself, and another thread's line could come between.
    sys.stdout.write(json.dumps({"client": client, "name": name_in(message)}) + "\n")
    sys.stdout.flush()


class OverUdp(socketserver.BaseRequestHandler):
    """A question and its answer come in one datagram each; what is not answered above is not answered here."""

    def handle(self) -> None:
        message, sock = self.request
        record(self.client_address[0], message)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as above:
            above.settimeout(PATIENCE)
            above.connect(self.server.above)  # type: ignore[attr-defined]
            above.send(message)
            sock.sendto(above.recv(MAX_BYTES), self.client_address)


class OverTcp(socketserver.StreamRequestHandler):
    """Resolvers use TCP for long answers: each message comes after its length, in two bytes."""

    def handle(self) -> None:
        size = self.rfile.read(2)
        message = self.rfile.read(int.from_bytes(size, "big"))
        record(self.client_address[0], message)
        with socket.create_connection(self.server.above, PATIENCE) as above, above.makefile("rb") as answers:  # type: ignore[attr-defined]
            above.sendall(size + message)
            size = answers.read(2)
            self.wfile.write(size + answers.read(int.from_bytes(size, "big")))


class UdpServer(socketserver.ThreadingUDPServer):
    """above: the address of the name server that is asked."""

    def __init__(self, address: "tuple[str, int]", above: "tuple[str, int]") -> None:
        super().__init__(address, OverUdp)
        self.above = above


class TcpServer(socketserver.ThreadingTCPServer):
    """above: the address of the name server that is asked."""

    allow_reuse_address = True

    def __init__(self, address: "tuple[str, int]", above: "tuple[str, int]") -> None:
        super().__init__(address, OverTcp)
        self.above = above


def main() -> None:
    """Serves on every address of the container until it is stopped."""
    with UdpServer(("", PORT), DOCKERS_OWN) as udp, TcpServer(("", PORT), DOCKERS_OWN) as tcp:
        threading.Thread(target=tcp.serve_forever, daemon=True).start()
        print(json.dumps({"listening": PORT}), flush=True)
        udp.serve_forever()


if __name__ == "__main__":
    main()
