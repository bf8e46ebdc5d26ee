"""Telling operators' endpoints what happens: Standard Webhooks, tried again for three days."""
