"""What a user may change on their page. Each is a form; the session has said who it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask import request, session

from integration_app.bootstrap import Services
from integration_app.model import Kind, Tell
from integration_app.operations.messages import deliver_whole
from integration_app.text.addresses import ADDRESS_MAX
from integration_app.web import labels
from integration_app.web.security import end_here

KEEP_OLD_ADDRESS = timedelta(hours=24)
_SENDER = re.compile(r"[^\s@,;<>\"]{0,64}@[a-z0-9.-]{1,253}\.[a-z0-9-]{2,63}")
_NAMED = re.compile(r"[^<>,;\n]*<([^<>]*)>")
_SENDERS_MAX = 50


def nothing(services: Services, uid: str) -> None:
    return


def _link_code(services: Services, uid: str) -> None:
    session["link"] = services.auth.link_codes.new(uid)


def _new_address(services: Services, uid: str) -> None:
    services.installations.new_inbox(uid, keep=KEEP_OLD_ADDRESS)


def _unlink(services: Services, uid: str) -> None:
    services.phones.remove(uid, request.form.get("phone", "")[:ADDRESS_MAX])


def _confirm_phone(services: Services, uid: str) -> None:
    services.phones.confirm(uid, request.form.get("phone", "")[:ADDRESS_MAX])


def pause(services: Services, uid: str, *, paused: bool) -> None:
    """Hold what arrives, or go on with it at once."""
    prefer(services, uid, paused=paused, paused_at=services.clock() if paused else None)
    services.due.set(uid, services.clock())


def _pause(services: Services, uid: str) -> None:
    pause(services, uid, paused=request.form.get("paused") == "yes")


def _preferences(services: Services, uid: str) -> None:
    asked = request.form
    kind = {"conversation": Kind.CONVERSATION, "memories": Kind.MEMORIES}.get(asked.get("import_as", ""))
    senders = _senders(asked.get("senders", ""))
    if senders is None:  # never guess: a list that is read wrongly lets strangers in
        installation = services.installations.get(uid)
        senders = installation.preferences.senders if installation else ()
        session["problem"] = "senders"
    of_mail = {"senders": senders, "automatic": asked.get("automatic") == "yes"} if "senders" in asked else {}
    zone = asked.get("time_zone", "UTC")
    spoken = asked.get("language", "")
    prefer(
        services,
        uid,
        import_as=kind,
        language=spoken if spoken in labels.LANGUAGES else None,
        **of_mail,
        read_attachments=asked.get("read_attachments") == "yes",
        receipts=asked.get("receipts") == "yes",
        tell=Tell(told) if (told := asked.get("tell", "")) in set(Tell) else Tell.NOTHING,
        time_zone=zone if labels.is_zone(zone) else "UTC",
    )
    services.due.set(uid, services.clock())  # a digest may leave at another time now


def _senders(text: str) -> tuple[str, ...] | None:
    """Addresses and @domains of a list as people write it; None when any of it is neither."""
    parts = [part for part in re.split(r"[\s,;]+", _NAMED.sub(r" \1 ", text.lower())) if part]
    if len(parts) > _SENDERS_MAX or not all(_SENDER.fullmatch(part) for part in parts):
        return None
    return tuple(dict.fromkeys(parts))


def _release(services: Services, uid: str) -> None:
    """Deliver a held mail; `always`: from now on this sender needs no proof."""
    message_id = request.form.get("message", "")[:60]
    installation, story = services.installations.get(uid), services.inbox.story(message_id)
    if installation is None or story is None or uid not in story.states:
        return
    services.quarantine.release(message_id, uid, by="the user", now=services.clock())
    senders, sender = installation.preferences.senders, story.message.sender.lower()
    if request.form.get("always") == "yes" and senders and _SENDER.fullmatch(sender):
        kept = dict.fromkeys((*(row for row in senders if row != sender), f"~{sender}"))
        prefer(services, uid, senders=tuple(kept)[-_SENDERS_MAX:])


def _drop(services: Services, uid: str) -> None:
    if request.form.get("sure") != "yes":
        return
    services.quarantine.drop(request.form.get("message", "")[:60], uid, why="the user", now=services.clock())


def _whole(services: Services, uid: str) -> None:
    """Deliver a mail with the mail that it answers; `always`: from now on for this sender."""
    message_id = request.form.get("message", "")[:60]
    installation, story = services.installations.get(uid), services.inbox.story(message_id)
    if installation is None or story is None or uid not in story.states:
        return
    deliver_whole(services, message_id, uid)
    if request.form.get("always") == "yes":
        kept = dict.fromkeys((*installation.preferences.keep_history, story.message.sender))
        prefer(services, uid, keep_history=tuple(kept)[-_SENDERS_MAX:])


def _undo(services: Services, uid: str) -> None:
    if services.installations.undo(uid):
        services.due.set(uid, services.clock())
    else:
        session["problem"] = "late"


def _end_session(services: Services, uid: str) -> None:
    services.auth.sessions.end(uid, request.form.get("session", "")[:80])


def _sign_out(services: Services, uid: str) -> None:
    services.auth.sessions.end(uid, services.auth.sessions.id_of(uid, str(session.get("key"))))
    end_here()


def _sign_out_everywhere(services: Services, uid: str) -> None:
    services.auth.sessions.end_all(uid)
    end_here()


ACTIONS: dict[str, Callable[[Services, str], None]] = {
    "link-code": _link_code,
    "new-address": _new_address,
    "unlink": _unlink,
    "confirm-phone": _confirm_phone,
    "pause": _pause,
    "preferences": _preferences,
    "release": _release,
    "drop": _drop,
    "whole": _whole,
    "undo": _undo,
    "end-session": _end_session,
    "sign-out": _sign_out,
    "sign-out-everywhere": _sign_out_everywhere,
}


DONE = {
    "new-address": "address",
    "unlink": "unlinked",
    "confirm-phone": "confirmed",
    "pause": "paused",
    "preferences": "saved",
    "release": "released",
    "drop": "dropped",
    "whole": "whole",
    "undo": "undone",
    "end-session": "ended",
}
"""What the page says after an action; the words are in its template."""


def prefer(services: Services, uid: str, **changes: Any) -> None:
    """Change what they wish; for a little while it can be taken back."""
    installation = services.installations.get(uid)
    if installation:
        services.installations.keep_for_undo(uid, installation.preferences, changes)
        services.installations.prefer(uid, replace(installation.preferences, **changes))
