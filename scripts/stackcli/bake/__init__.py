"""`scripts/stack bake`: built models as images."""
