"""`scripts/stack certs` and `key`: who may reach the stack, with which certificate, keys and signatures."""
