"""What secures an OPC UA connection, at either end of it."""
