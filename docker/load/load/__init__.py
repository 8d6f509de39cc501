"""Generates HTTP load at a fixed concurrency or arrival rate, and reports on it; independent of the server."""
