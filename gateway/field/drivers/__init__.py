"""One driver per protocol behind one interface."""
