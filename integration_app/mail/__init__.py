"""Raw mail to text: pure functions, capped, built to survive hostile input.

    mime      bytes of a mail            → what it says
    structure bytes of a mail            → its parts, behind guards
    parts     parts                      → bodies, invitations, attached mails, attachments
    headers   headers                    → decoded, within limits
    bodies    a body, plain or HTML      → own words and history
    html      HTML                       → text
    history   text                       → own words, and the mail that is answered
    signs     lines                      → what announces such a mail
    words     what mail programs write above both, by language
    forwards  text of a forwarded mail   → whose it is, from when, what was written above
    automatic headers                    → why no person wrote it
    clean     any text                   → text without characters that hide or break something

Nothing here fetches, executes or trusts anything that a mail says about itself.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from integration_app.mail.bodies import choose_body
from integration_app.mail.forwards import Forward, forward_of
from integration_app.mail.headers import automatic_cause, date_of, zone_of
from integration_app.mail.mime import Mail, read_mail, read_parsed
from integration_app.model import Content
from integration_app.text.clean import clean
from integration_app.text.kinds import FileKind, kind_of_file

__all__ = ["Forward", "Mail", "clean", "mail_of"]


def mail_of(content: Content, *, sender: str = "", envelope_from: str | None = None) -> Mail:
    """What a mail says: the raw one where the provider gave it, else its plain and HTML bodies.

    Quoted history is cut; what was cut away entirely (a mail that is nothing but history) comes back whole. A
    forwarded mail is never cut: it is taken apart instead.
    """
    mail = _whole(content, sender, envelope_from)
    if not mail.is_forward or mail.several:
        return mail
    return replace(mail, forward=forward_of(clean(mail.text), zone=mail.zone, before=mail.date))


def _whole(content: Content, sender: str, envelope_from: str | None) -> Mail:
    if content.mime is not None:
        try:
            raw = base64.b64decode(content.mime)
        except (binascii.Error, ValueError):
            raw = content.mime.encode("utf-8", "replace")
        return read_mail(raw, envelope_from=envelope_from)
    headers = dict(reversed(content.headers))  # the topmost of a name counts
    is_reply = bool(headers.keys() & {"in-reply-to", "references"})
    body = choose_body(content.text, content.html, subject=content.subject or "", is_reply=is_reply)
    mail = Mail(
        subject=content.subject,
        history=body.history,
        is_forward=body.is_forward,
        is_reply=is_reply,
        automatic=automatic_cause(
            lambda name: headers.get(name, ""),
            sender=sender,
            envelope_from=envelope_from,
            invites=any(kind_of_file(row.content_type) is FileKind.CALENDAR for row in content.attachments),
        ),
        zone=zone_of(headers.get("date", "")),
        date=date_of(headers.get("date", "")),
    )
    return read_parsed(mail, content.attachments, said=body.text)
