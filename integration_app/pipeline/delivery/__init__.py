"""From an outbox to Omi."""
