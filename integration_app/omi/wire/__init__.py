"""One HTTP call to Omi: connections, deadlines, the exchange itself."""
