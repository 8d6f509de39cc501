"""The compose project: its settings, its containers and ports, and what runs in it."""
