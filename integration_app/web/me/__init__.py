"""A signed-in user's pages beside the first one: a message, a search, how it arrives."""
