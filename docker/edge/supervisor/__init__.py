"""The edge's own process: configures HAProxy from the model store, and reloads it when something changes."""
