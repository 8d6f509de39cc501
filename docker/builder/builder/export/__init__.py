"""From a module with its weights to a checked archive. Runs in the model's own process."""
