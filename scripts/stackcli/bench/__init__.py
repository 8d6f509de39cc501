"""`scripts/stack bench`: measures a model under load."""
