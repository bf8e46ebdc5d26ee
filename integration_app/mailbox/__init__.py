"""A mailbox that is read by IMAP, for those without a domain: what is in its folder goes to Omi, each mail once.

    connection.py   one session with the server, and what we ask of it
    message.py      a mail of the mailbox as a message; pure
    reader.py       which mails are new, and what becomes of each

The process is `workers.mailbox`.
"""

from __future__ import annotations

from importlib import resources

NAME = "mailbox"
"""Stands where other messages have their provider."""
TITLE = "Mailbox by IMAP"
SETTINGS = (
    "MAILBOX_HOST", "MAILBOX_PORT", "MAILBOX_USER", "MAILBOX_PASSWORD", "MAILBOX_FOLDER", "MAILBOX_DONE_FOLDER",
    "MAILBOX_UID", "MAILBOX_AUTHSERV_IDS",
)  # fmt: skip


def setup_text() -> str:
    return resources.files(__package__).joinpath("setup.md").read_text(encoding="utf-8")
