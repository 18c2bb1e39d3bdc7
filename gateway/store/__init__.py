"""What must survive: journal and blobs (the data space)."""
