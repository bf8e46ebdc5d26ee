"""Raw mail to text: pure functions, capped, built to survive hostile input.

    mime     bytes of a mail            → parts, headers, attachments
    html     HTML                       → text
    replies  text                       → text without quoted history and signature
    clean    any text                   → text without characters that hide or break something
    charsets bytes and a label          → text

Nothing here fetches, executes or trusts anything that a mail says about itself.
"""

from __future__ import annotations

import base64
import binascii

from integration_app.mail.clean import clean
from integration_app.mail.mime import Mail, choose_body, read_mail
from integration_app.mail.replies import strip_history
from integration_app.model import Content

__all__ = ["Mail", "clean", "mail_of"]


def mail_of(content: Content) -> Mail:
    """What a mail says: the raw one where the provider gave it, else its plain and HTML bodies.

    Quoted history is cut; what was cut away entirely (a mail that is nothing but history) comes back whole.
    """
    mail = _whole(content)
    return mail.with_text(strip_history(mail.text, subject=mail.subject or "", is_reply=mail.is_reply))


def _whole(content: Content) -> Mail:
    if content.mime is not None:
        try:
            raw = base64.b64decode(content.mime)
        except (binascii.Error, ValueError):
            raw = content.mime.encode("utf-8", "replace")
        return read_mail(raw)
    return Mail(
        subject=content.subject,
        text=choose_body(content.text, content.html),
        attachments=content.attachments,
        is_reply=content.is_reply,
    )
