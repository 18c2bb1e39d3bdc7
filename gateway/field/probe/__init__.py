"""Asks a device what it is and what can be read of it, and never writes; one file per protocol."""
