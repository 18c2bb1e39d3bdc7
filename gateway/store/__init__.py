"""What must survive a kill or a power cut: the journal (the data space)."""
