"""Images and flashing of gateways: not built yet. It is here so that its import direction is checked."""
