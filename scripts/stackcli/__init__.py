"""The stack's command line, which runs on the host. It imports no container code: they share files and HTTP only."""
