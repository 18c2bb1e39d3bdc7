"""What the chain of evidence will stand on: canonical bytes and signatures. The chain is not built yet."""
