"""This machine: its engine, its packages, its registries, and what it has."""
