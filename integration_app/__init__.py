"""Omi Inbox: text it, e-mail it, and it is in your Omi."""

__version__ = "0.4.0"
