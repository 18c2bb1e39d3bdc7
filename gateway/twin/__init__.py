"""The twin: kernel, components and workpieces (the digital space); pure."""
