"""A permissioned chain of evidence; knows no controller and no message broker."""
