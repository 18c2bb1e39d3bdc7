"""The engineer's side: lines, sessions, procedures, evidence, the command line."""
