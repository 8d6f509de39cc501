"""Turn a module with its weights into a checked archive. Runs in the model's own process."""
