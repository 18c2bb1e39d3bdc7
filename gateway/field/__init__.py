"""Field I/O: tags, addresses, drivers and the scan cycle (the physical space)."""
