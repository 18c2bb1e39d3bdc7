"""What runs beside a machine: field I/O, twin, cell, virtual controller, network."""
