"""`scripts/stack status`: shows the served models with their health and metrics, as a table, JSON or a picture."""
