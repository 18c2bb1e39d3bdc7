"""Built-in procedures, parametrised from the line file."""
