"""Loads the stack for long at half its maximum rate, killing a worker every minute. Not a measure of speed."""
