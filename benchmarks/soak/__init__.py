"""A long load at half of the most the stack answers, with a worker killed every minute. Not a measure of speed."""
