"""The doors over HTTP. Flask stays in here."""
