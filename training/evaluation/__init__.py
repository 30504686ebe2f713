"""What is measured of a net."""
