"""Load over HTTP at a fixed concurrency or a fixed arrival rate, and the report on it; knows nothing of the server."""
