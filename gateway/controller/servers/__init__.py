"""The servers that only a virtual controller has; the others are in gateway.field.serving."""
