"""What records mean: pure functions over the chain's state."""
