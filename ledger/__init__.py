"""A permissioned chain: what is recorded, how members agree on it, and the node that keeps it."""
