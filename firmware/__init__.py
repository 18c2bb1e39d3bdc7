"""Images and flashing of gateways: not built yet; the package exists so that its import direction is checked."""
