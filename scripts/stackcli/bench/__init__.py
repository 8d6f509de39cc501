"""`scripts/stack bench`: a model under load."""
