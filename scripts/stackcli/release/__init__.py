"""`scripts/stack release`: changes which versions are served, without a restart."""
