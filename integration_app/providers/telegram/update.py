"""What an update of Telegram's Bot API means: one message of a private chat, in words. Pure.

https://core.telegram.org/bots/api#update and #message
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from integration_app.errors import MalformedPayload
from integration_app.model import Attachment, Content, Evidence, InboundMessage, Route
from integration_app.providers.common.attachments import bare_name
from integration_app.providers.common.carrier_words import is_for_us
from integration_app.providers.common.json_body import at, moment, objects_at, place_at, text_at

CHANNEL = "telegram"
FILE = "telegram-file:"
"""In front of a file's id, where other vendors have a URL."""

_FILE_MAX = 20_000_000
"""What Telegram hands over: https://core.telegram.org/bots/api#getfile"""
_QUOTED_MAX = 300
_LINKS_MAX = 100
_COMMANDS = ("start", "help", "unlink", "stop")
_LINK_CODE = re.compile(r"LINK-[A-Z0-9]{4,12}", re.IGNORECASE)
_AT_ONCE_SECONDS = 120
_TYPES = {"voice": "audio/ogg", "audio": "audio/mpeg", "video": "video/mp4", "video_note": "video/mp4"}


def message_in(update: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message of a private chat, new or edited; None for every other kind of update."""
    found = at(update, "message") or at(update, "edited_message")
    return found if isinstance(found, dict) and text_at(found, "chat", "type") == "private" else None


def group_in(update: Mapping[str, Any]) -> int | None:
    """The id of a group or channel that the update is about: the bot has no business there."""
    for kind in ("message", "edited_message", "channel_post", "edited_channel_post", "my_chat_member"):
        chat = at(update, kind, "chat")
        if text_at(chat, "type") in ("group", "supergroup", "channel") and isinstance(at(chat, "id"), int):
            return int(chat["id"])
    return None


def meaning(update: Mapping[str, Any], bot: str, received_at: datetime) -> InboundMessage:
    """Raises `MalformedPayload` where it is no message of a person."""
    said = message_in(update)
    number, chat = at(update, "update_id"), at(said, "chat", "id")
    author = at(said, "from", "id")
    if said is None or not all(isinstance(value, int) for value in (number, chat, author)):
        raise MalformedPayload("no message of a person: update_id, chat or from are missing")
    if at(said, "from", "is_bot") is True:
        raise MalformedPayload("written by a bot")
    text = _words(said)
    place = place_at(at(said, "location"), "latitude", "longitude")
    files = tuple(_files(said))
    also = list(_also(said, place))
    if not text and not files and not also:
        also = _unknown(said)
    before = [] if is_for_us(text) else _before(said, is_edit="edited_message" in update)
    content = Content(text="\n".join(line for line in (*before, text, *also) if line), attachments=files, place=place)
    return InboundMessage(
        provider=CHANNEL,
        event_id=f"{bot}-{number}",
        # after a week without updates Telegram goes on with any number, so that alone is not enough
        dedupe_keys=(
            f"{CHANNEL}:{bot}:{number}:{chat}:{text_at(said, 'message_id')}",
            f"{CHANNEL}:{bot}:{chat}:{text_at(said, 'message_id')}:{_state(said, text, files, also)}",
        ),
        channel=CHANNEL,
        route=Route.SENDER,
        sender=f"{CHANNEL}:{author}",
        sender_name=_name(at(said, "from")) or None,
        recipients=(f"{CHANNEL}:{bot}",),
        received_at=received_at,
        sent_at=moment(at(said, "edit_date") or at(said, "date")),
        speaker=_origin(said)[0] or None,
        content=content,
        evidence=Evidence(platform=True),
    )


def command_in(said: Mapping[str, Any] | None) -> str:
    """`start` (without a link code), `help`, `unlink`, `stop`; "" for what is for Omi."""
    first, *rest = text_at(said, "text")[:200].split() or [""]
    command = first.lower().partition("@")[0].removeprefix("/")
    if not first.startswith("/") or command not in _COMMANDS:
        return ""
    return "" if command == "start" and rest and _LINK_CODE.fullmatch(rest[0]) else command


def _words(said: Mapping[str, Any]) -> str:
    """The text; of a command what it means here."""
    has_text = isinstance(at(said, "text"), str)
    text = text_at(said, "text") if has_text else text_at(said, "caption")
    if command_in(said) in ("unlink", "stop"):
        return "UNLINK"
    first, *rest = text[:200].split() or [""]
    if first.lower().partition("@")[0] == "/start" and rest:
        return rest[0]  # from a link that carries the code
    return _with_links(text, objects_at(said, "entities" if has_text else "caption_entities"))


def _state(said: Mapping[str, Any], text: str, files: tuple[Attachment, ...], also: list[str]) -> str:
    """What names what a message says now. An edit within two minutes may change only what a bot does not see, such as a
    preview: then it says nothing new. A later one may go back to what was said before.
    """
    edited, written = at(said, "edit_date"), at(said, "date")
    told = "\n".join([text, *(file.url or "" for file in files), *also])
    digest = hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()
    is_later = isinstance(edited, int) and isinstance(written, int) and edited - written > _AT_ONCE_SECONDS
    return f"{digest}:{edited}" if is_later else digest


def _unknown(said: Mapping[str, Any]) -> list[str]:
    """Something that has no words here; nothing for a message that has nothing at all."""
    known = {"message_id", "from", "chat", "date", "edit_date", "text", "caption", "entities", "caption_entities"}
    is_more = any(value not in (None, [], {}, "") for name, value in said.items() if name not in known)
    return ["[A kind of message that Telegram does not hand over: open it on your phone]"] if is_more else []


def _with_links(text: str, entities: list[dict[str, Any]]) -> str:
    """With the address behind each linked word. Places are counted in UTF-16 units, as Telegram does."""
    links = [
        (end, at(entity, "url"))
        for entity in entities[:_LINKS_MAX]
        if at(entity, "type") == "text_link" and (end := _end(entity)) is not None
    ]
    units = text.encode("utf-16-le", "surrogatepass")
    for end, url in sorted(links, reverse=True, key=lambda link: link[0]):
        if isinstance(url, str) and url not in text:
            units = units[: 2 * end] + f" ({url[:500]})".encode("utf-16-le", "surrogatepass") + units[2 * end :]
    return units.decode("utf-16-le", "replace")


def _end(entity: Mapping[str, Any]) -> int | None:
    offset, length = at(entity, "offset"), at(entity, "length")
    return offset + length if isinstance(offset, int) and isinstance(length, int) and min(offset, length) >= 0 else None


def _before(said: Mapping[str, Any], *, is_edit: bool) -> Iterator[str]:
    """What stands before the words: that they were edited, what they answer, whose they are and since when."""
    if is_edit:
        yield "[An earlier message, edited]"
    answered = text_at(said, "quote", "text") or at(said, "reply_to_message", "text")
    answered = answered or at(said, "reply_to_message", "caption")
    if isinstance(answered, str) and answered.strip() and at(said, "reply_to_message", "from", "is_bot") is not True:
        quoted = " ".join(answered.split())
        yield f"[In answer to: {quoted[:_QUOTED_MAX]}{'…' if len(quoted) > _QUOTED_MAX else ''}]"
    name, written = _origin(said)
    if name:
        yield f"[Forwarded{f', written {written:%d %b %Y %H:%M} UTC' if written else ''}]"


def _origin(said: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """Whose words a forwarded message has, and when they were written; "" where it is not forwarded."""
    origin = at(said, "forward_origin")
    if isinstance(origin, dict):
        name = (
            _name(at(origin, "sender_user"))
            or text_at(origin, "sender_user_name")
            or text_at(origin, "chat", "title")
            or text_at(origin, "sender_chat", "title")
        )
        return name[:120] or "Forwarded", moment(at(origin, "date"))
    if at(said, "forward_date") is None:
        return "", None
    name = (  # as it was before 2024
        _name(at(said, "forward_from"))
        or text_at(said, "forward_sender_name")
        or text_at(said, "forward_from_chat", "title")
    )
    return name[:120] or "Forwarded", moment(at(said, "forward_date"))


def _name(user: Any) -> str:
    parts = (text_at(user, "first_name"), text_at(user, "last_name"))
    return " ".join(" ".join(part for part in parts if part).split())[:120]


def _also(said: Mapping[str, Any], place: tuple[float, float] | None) -> Iterator[str]:
    """What is no text, in words."""
    if place:
        venue = ", ".join(part for name in ("title", "address") if (part := text_at(said, "venue", name)))
        yield f"[Location: {venue + ' ' if venue else ''}({place[0]}, {place[1]})]"
    if contact := at(said, "contact"):
        rows = (_name(contact), text_at(contact, "phone_number"))
        yield f"[Contact: {', '.join(row for row in rows if row) or 'without a name'}]"
    if poll := at(said, "poll"):
        options = "; ".join(text_at(option, "text") for option in objects_at(poll, "options"))
        yield f"[Poll: {text_at(poll, 'question')} – {options}]"
    if sticker := at(said, "sticker"):
        yield f"[Sticker {text_at(sticker, 'emoji')}]".replace(" ]", "]")
    if dice := at(said, "dice"):
        yield f"[{text_at(dice, 'emoji')} {text_at(dice, 'value')}]"


def _files(said: Mapping[str, Any]) -> Iterator[Attachment]:
    if sizes := objects_at(said, "photo"):
        yield _file(max(sizes, key=lambda size: _count(at(size, "width"))), "image/jpeg")
    if isinstance(at(said, "document"), dict):
        yield _file(said["document"], "application/octet-stream")
    for kind, usual in _TYPES.items():
        if isinstance(at(said, kind), dict):
            yield _file(said[kind], usual)


def _file(row: Mapping[str, Any], usual: str) -> Attachment:
    size = _count(at(row, "file_size")) or None
    is_large = (size or 0) > _FILE_MAX
    return Attachment(
        content_type=text_at(row, "mime_type")[:100] or usual,
        name=bare_name(text_at(row, "file_name")),
        size=size,
        url=None if is_large else f"{FILE}{text_at(row, 'file_id')[:300]}",
        why_not="Telegram hands over no more than 20 MB" if is_large else None,
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
