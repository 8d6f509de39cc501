"""`scripts/stack lock`: all pinned requirements, resolved again with their hashes."""
