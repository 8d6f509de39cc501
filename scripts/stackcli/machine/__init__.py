"""This machine: its Docker Engine, packages, registries and resources."""
