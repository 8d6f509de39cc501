"""`scripts/stack status`: what is served and how it does, for people, machines and pictures."""
