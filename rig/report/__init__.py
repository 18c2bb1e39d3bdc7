"""Evidence rendered from the session record: HTML, JUnit, JSON."""
