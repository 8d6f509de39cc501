"""An HTTP server that answers each request as it is told, for the clients that generate load."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RATE = 50  # requests per second that the tests send
SEVEN = b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n7"
Reply = Callable[[int], bytes | None]  # None closes the connection without an answer


@contextmanager
def server(reply: Reply) -> Iterator[str]:
    """Answers the n-th request, from 0, as told."""
    numbers = iter(range(10_000))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line == b"\r\n":  # the end of the head; the body is one byte
                    self.rfile.read(1)
                    answer = reply(next(numbers))
                    if answer is None:
                        return
                    self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/predictions/mnist"
        running.shutdown()
