"""`scripts/stack bake`: builds images that contain the models."""
