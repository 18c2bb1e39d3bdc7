"""Who may take part in a line: a node's keys, what it asks for, and the certificates that prove its place."""
