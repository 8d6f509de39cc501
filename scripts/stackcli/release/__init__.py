"""`scripts/stack release`: which versions are served, changed without a restart."""
