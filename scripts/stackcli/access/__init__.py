"""`scripts/stack certs` and `key`: the edge's certificate and API keys, and the checks of the signing keys."""
