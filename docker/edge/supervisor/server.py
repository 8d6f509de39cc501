"""The supervisor's HTTP server on :8405: the edge's metrics, and the live metrics that HAProxy fetches for the page.

It can be reached only from the network `serve`.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from supervisor.ask import NUMBERS_PATH, PORT
from supervisor.numbers import numbers
from supervisor.scrape import Scraper, scrape_torchserves
from supervisor.series import CONTENT_TYPE, Series, shares
from supervisor.settings import Settings

SERIES_PATH = "/metrics"
NOT_FOUND = {"code": 404, "type": "ResourceNotFoundException", "message": f"expected {SERIES_PATH} or {NUMBERS_PATH}"}
# How long a client may take to send its request or to read the answer.
CLIENT_SECONDS = 5

Pages = Mapping[str, Callable[[], "tuple[str, bytes]"]]  # path → its content type and content


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD for the server's pages, one request per connection."""

    timeout = CLIENT_SECONDS
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        page = self.server.pages.get(path)
        kind, content = page() if page else ("application/json", json.dumps(NOT_FOUND).encode())
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def version_string(self) -> str:
        """Returns a name that does not reveal the version of Python."""
        return "edge"

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: HAProxy already logs the requests."""


class Server(ThreadingHTTPServer):
    """Answers with `pages`, each request in its own daemon thread."""

    daemon_threads = True

    def __init__(self, pages: Pages, address: tuple[str, int] = ("", PORT)) -> None:
        super().__init__(address, Handler)
        self.pages = pages

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that closed their connection."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, daemon=True).start()


def start_server(settings: Settings, series: Series) -> None:
    """Serves in the background until this process ends."""
    scraper = Scraper(lambda: scrape_torchserves(settings.torchserve, settings.max_replicas))
    scraper.start()

    def current_numbers() -> tuple[str, bytes]:
        return "application/json", json.dumps(numbers(scraper.replicas(), shares(settings))).encode()

    Server({SERIES_PATH: lambda: (CONTENT_TYPE, series.exposition()), NUMBERS_PATH: current_numbers}).start()
