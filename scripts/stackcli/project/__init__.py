"""The compose project: its settings, containers and ports, and what runs in it."""
