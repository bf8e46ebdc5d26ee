"""Words of what came along with a message.

    plain      text, tables, pages, cards        at once
    documents  PDF, Office, OpenDocument         in a process of their own with limits (extract)
    voice      recordings                        by the operator's transcription endpoint

Calendars and mails are read where mails are (`mail`). Everything else is named.
"""

from __future__ import annotations

from integration_app.attachments.documents import read_document
from integration_app.attachments.plain import BYTES_READ, words_of
from integration_app.attachments.reading import Reading
from integration_app.model import Attachment
from integration_app.text.kinds import DOCUMENTS, FileKind, kind_of_file

__all__ = ["Reading", "name_only", "read", "read_plain"]

BYTES_MAX = 10_000_000


def read(attachment: Attachment) -> Reading:
    """Read it, where its bytes are at hand. Never raises for a file; `NotYet` while others are read."""
    kind = kind_of_file(attachment.content_type, attachment.name)
    if attachment.data is None or kind is None:
        return Reading(why_not=attachment.why_not or "")
    if len(attachment.data) > BYTES_MAX:
        return Reading(why_not="it is too large to be read")
    return read_document(kind, attachment.data) if kind in DOCUMENTS else read_plain(attachment)


def read_plain(attachment: Attachment) -> Reading:
    """Read what needs no process of its own."""
    kind = kind_of_file(attachment.content_type, attachment.name)
    if attachment.data is None or kind not in (FileKind.TEXT, FileKind.HTML, FileKind.CARD):
        return Reading(why_not=attachment.why_not or "")
    if len(attachment.data) > BYTES_MAX:
        return Reading(why_not="it is too large to be read")
    words = words_of(kind, attachment.data, attachment.charset)
    cut = len(attachment.data) > BYTES_READ[kind]
    return Reading(words or "", cut=cut, why_not="" if words else "it is empty" if words == "" else "it is no text")


def name_only(attachment: Attachment) -> Reading:
    return Reading(why_not=attachment.why_not or "")
