"""What is done to stored messages later."""
