"""What came along with a message, with its bytes where their words can be read: no longer than until they are."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message

from integration_app.model import Attachment
from integration_app.providers.common.multipart import Part
from integration_app.text.clean import one_line
from integration_app.text.kinds import kind_of_file

BYTES_MAX = 10_000_000
"""Of one attachment that is held."""
HELD_MAX = 20_000_000
"""Of all attachments of one message that are held."""
COUNT_MAX = 200


class Attachments:
    """Collects the attachments of one message."""

    def __init__(self) -> None:
        self._found: list[Attachment] = []
        self._held = 0

    def room(self, content_type: str, name: str | None, size: int) -> bool:
        """Whether the bytes of such an attachment would be held."""
        return kind_of_file(content_type, bare_name(name)) is not None and size <= min(BYTES_MAX, HELD_MAX - self._held)

    def add(self, content_type: str, name: str | None, data: bytes | None, size: int | None = None) -> None:
        """`size` where there is no `data`, or it is known to be another."""
        if len(self._found) >= COUNT_MAX:
            return
        kind, charset = _type(content_type)
        name = bare_name(name)
        size = size or (len(data) if data else None)
        held = data if data and self.room(kind, name, len(data)) else None
        too_large = not held and kind_of_file(kind, name) is not None and not self.room(kind, name, size or 0)
        self._held += len(held or b"")
        why_not = "it is too large to be read" if too_large else None
        self._found.append(Attachment(kind, name, size, held, charset=charset, why_not=why_not))

    def all(self) -> tuple[Attachment, ...]:
        return tuple(self._found)


def bare_name(name: str | None) -> str | None:
    """Without any path."""
    return one_line(name or "", 120).replace("\\", "/").rpartition("/")[2] or None


def of_parts(parts: Iterable[Part]) -> tuple[Attachment, ...]:
    """Files of a form."""
    found = Attachments()
    for part in parts:
        found.add(part.content_type or "", part.filename, part.data)
    return found.all()


def _type(value: str) -> tuple[str, str | None]:
    """The bare type and its charset."""
    value = value.encode("ascii", "replace").decode()
    header = Message()
    header["content-type"] = " ".join(value.split())[:200] or "application/octet-stream"
    charset = header.get_param("charset")
    bare = value.partition(";")[0].strip()[:100] or "application/octet-stream"
    return bare, charset if isinstance(charset, str) else None
