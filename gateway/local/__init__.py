"""The local shell: what a person beside the machine sees and does, with no broker, rig or network."""
