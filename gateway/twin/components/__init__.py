"""Reference components, one function group family per file; pure."""
