"""Where the supervisor answers; a separate module, so that ask.py does not import the server."""

PORT = 8405
SERIES_PATH, NUMBERS_PATH = "/metrics", "/playground/metrics.json"
