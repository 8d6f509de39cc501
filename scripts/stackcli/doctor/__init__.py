"""`scripts/stack doctor`: what is wrong with the stack, and a report of it that may be shown to anybody."""
