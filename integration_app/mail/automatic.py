"""Whether a person wrote a mail, or a machine did: bounces, auto-replies, mailing lists. Pure.

https://www.rfc-editor.org/rfc/rfc3834#section-2
"""

from __future__ import annotations

from collections.abc import Callable

_ROBOTS = ("mailer-daemon", "postmaster", "mail-daemon")


def automatic_cause(
    header: Callable[[str], str], *, sender: str, envelope_from: str | None, invites: bool = False
) -> str | None:
    """Why a mail is automatic, in words; None when a person wrote it.

    `header` gives the topmost header of a name, "" where there is none. `List-Unsubscribe` alone does not count:
    tickets, orders and boarding passes carry it too. An invitation (`invites`) is sent by a calendar, and wanted.
    """
    kind = header("content-type").partition(";")[0].strip().lower()
    if kind == "multipart/report" or envelope_from in ("", "<>"):
        return "a bounce or a delivery report"
    if any(address.partition("@")[0].lower() in _ROBOTS for address in (sender, envelope_from or "")):
        return "a message of a mail server"
    submitted = header("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no") and not (invites and submitted == "auto-generated"):
        return "an automatic reply or notice (Auto-Submitted)"
    if header("x-auto-response-suppress").strip().lower() == "all" and header("x-autoreply"):
        return "an automatic reply (X-Autoreply)"
    if header("precedence").strip().lower() in ("bulk", "list", "junk", "auto_reply"):
        return "sent in bulk (Precedence)"
    if header("list-id").strip():
        return "a mailing list's (List-Id)"
    return None
