"""From a genuine message to the store."""
