"""The self-test: one file per thing that can be wrong between a gateway, its devices and its line."""
