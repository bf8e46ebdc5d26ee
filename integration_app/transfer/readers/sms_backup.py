"""The XML of Android's "SMS Backup & Restore": texts and MMS, thread by thread.

https://www.synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import Element, ParseError
from xml.etree.ElementTree import iterparse as iterate

from integration_app.transfer.items import Item, Line, UnreadableFile
from integration_app.transfer.readers.threads import conversations

_SENT_SMS, _SENT_MMS = "2", "128"


def read(path: Path, per: str = "day") -> Iterator[Item]:
    """The app writes emoji as two halves (`&#55357;&#56832;`), which XML forbids: they are put together first."""
    threads: dict[str, list[tuple[datetime, Line]]] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for _, node in iterate(_Mended(file), events=("end",)):  # noqa: S314 - expat here expands nothing from outside
                if node.tag in ("sms", "mms"):
                    _add(threads, node)
                    node.clear()
    except ParseError as error:
        raise UnreadableFile(f"{path.name}: not an SMS backup (line {error.position[0]})") from None
    items = [item for rows in threads.values() for item in conversations(rows, "sms", per)]
    yield from sorted(items, key=lambda item: item.started_at)


def _add(threads: dict[str, list[tuple[datetime, Line]]], node: Element) -> None:
    try:
        moment = datetime.fromtimestamp(int(node.get("date", "")) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return
    address = node.get("address", "").strip() or "?"
    name = node.get("contact_name", "")
    speaker = address if name in ("", "(Unknown)", "null") else name
    if node.tag == "sms":
        text, mine = node.get("body", ""), node.get("type") == _SENT_SMS
    else:
        parts = [part for part in node.iter("part") if part.get("ct") != "application/smil"]
        said = [part.get("text", "") for part in parts if part.get("ct") == "text/plain"]
        attached = [f"[Attachment: {part.get('ct')}]" for part in parts if part.get("ct") != "text/plain"]
        text, mine = "\n".join([*said, *attached]), node.get("m_type") == _SENT_MMS
    threads.setdefault(address, []).append((moment, Line("Me" if mine else speaker, text, mine)))


class _Mended:
    """A file whose numbered characters outside of XML's range are made whole, or left out."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> str:
        chunk: str = self._file.read(size)
        while chunk and re.search(r"&(?:#\d{0,6})?\Z|&#5[5-7]\d{3};\Z", chunk):
            more: str = self._file.read(16)
            if not more:
                break
            chunk += more
        return _PAIR.sub(_joined, chunk)


_PAIR = re.compile(r"&#(5[5-6]\d{3});&#(5[6-7]\d{3});|&#(\d{1,7});")


def _joined(found: re.Match[str]) -> str:
    if found.group(1):
        high, low = int(found.group(1)), int(found.group(2))
        if 0xD800 <= high < 0xDC00 <= low < 0xE000:
            return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
        return ""
    code = int(found.group(3))
    allowed = code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code <= 0xFFFD or 0x10000 <= code < 0x110000
    return found.group() if allowed else ""
