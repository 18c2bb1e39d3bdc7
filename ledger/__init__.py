"""A permissioned chain: what is recorded and how members agree on it. The node around it is not built yet."""
