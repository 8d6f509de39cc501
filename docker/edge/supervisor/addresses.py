"""Where the supervisor answers; apart from its server, so that asking it (ask.py) imports nothing of the server."""

PORT = 8405
SERIES_PATH, NUMBERS_PATH = "/metrics", "/playground/metrics.json"
