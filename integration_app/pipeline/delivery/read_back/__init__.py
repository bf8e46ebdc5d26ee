"""What Omi holds: after an unknown outcome, and after a gap of Redis."""
