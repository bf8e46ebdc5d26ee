"""Text without an origin: addresses, charsets, cleaning. Pure."""
