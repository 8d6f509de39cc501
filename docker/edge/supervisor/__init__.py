"""The edge's main process: it configures HAProxy from the model store and reloads it when something changes."""
