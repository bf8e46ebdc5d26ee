"""`multipart/form-data`, byte-exact: mails come in character sets that a form parser's UTF-8 would destroy."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from integration_app.errors import MalformedPayload

PARTS_MAX = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file. `filename` is None for a field; `content_type` as the part says, if it does."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None


def parts(content_type: str, body: bytes) -> list[Part]:
    """The parts in the order sent. Raises `MalformedPayload`."""
    header = Message()
    header["content-type"] = content_type[:500]
    boundary = header.get_param("boundary")
    if header.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise MalformedPayload("the body is not multipart/form-data")
    decoder = MultipartDecoder(boundary.encode("latin-1", "replace"), max_parts=PARTS_MAX)
    decoder.receive_data(body)
    decoder.receive_data(None)
    try:
        return _collect(decoder)
    except (ValueError, RequestEntityTooLarge):
        raise MalformedPayload("the multipart body is broken, or has too many parts") from None


def _collect(decoder: MultipartDecoder) -> list[Part]:
    found: list[Part] = []
    current: Field | File | None = None
    chunks: list[bytes] = []
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            current, chunks = event, []
        elif isinstance(event, Data):
            chunks.append(event.data)
            if not event.more_data and current is not None:
                found.append(_part(current, b"".join(chunks)))
    return found


def _part(head: Field | File, data: bytes) -> Part:
    headers: Headers = head.headers
    filename = head.filename if isinstance(head, File) else None
    return Part(head.name or "", data, filename, headers.get("content-type"))
