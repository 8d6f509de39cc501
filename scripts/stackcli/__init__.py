"""The stack's command line: what runs on the host. It never imports container code; they meet in files and HTTP."""
