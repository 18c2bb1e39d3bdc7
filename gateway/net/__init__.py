"""What travels: typed messages, the bus, identity."""
