"""Words of one document, in a process of its own: `python -I extract.py KIND < document`, answers in JSON.

Whatever a hostile file does to a parser ends with this process: its time, memory and files are limited before the
first byte is read. Run by path, so it imports nothing of this application.
"""

from __future__ import annotations

import io
import json
import re
import resource
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element, iterparse  # expat refuses entity bombs; the limits hold for the rest

CHARACTERS_MAX = 20_000
PAGES_MAX = 100
_ROWS_MAX = 2_000
_SHEETS_MAX = 20
_COLUMNS_MAX = 50
_UNPACKED_MAX = 40_000_000
_MEMORY_MAX = 500_000_000
_SECONDS = 8
_CPU_SECONDS = 12


class _TimeIsUp(Exception):  # noqa: N818
    pass


def main(kind: str) -> dict[str, Any]:
    """{"text", "detail", "cut"} or {"error"}."""
    _limit()
    data = sys.stdin.buffer.read()
    found = _Found()
    try:
        _READERS[kind](data, found)
    except _TimeIsUp:
        found.cut = True
    except MemoryError:
        return {"error": "it needs too much memory"}
    except _Refused as error:
        return {"error": str(error)}
    except Exception:  # noqa: BLE001 - parsers raise anything at broken files; what was read before counts
        if not found.text and data[:4] == b"\xd0\xcf\x11\xe0":
            return {"error": "it is locked with a password, or of an old Office format"}
        if not found.text:
            return {"error": "it is broken, or not what it is called"}
        found.cut = True
    if not found.text:
        return {"error": "there is no text in it"}
    return {"text": found.text[:CHARACTERS_MAX], "detail": found.detail, "cut": found.cut}


class _Refused(Exception):  # noqa: N818
    pass


class _Found:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.detail = ""
        self.cut = False
        self._size = 0

    @property
    def text(self) -> str:
        return "\n".join(self.parts).strip()

    def say(self, text: str) -> bool:
        """False when it is enough; that something was left out before does not count."""
        before, self.cut = self.cut, False
        goes_on = self.add(text)
        self.cut = self.cut or before
        return goes_on

    def add(self, text: str) -> bool:
        """False when it is enough."""
        self.parts.append(text)
        self._size += len(text) + 1
        self.cut = self.cut or self._size > CHARACTERS_MAX
        return not self.cut


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_MAX),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.alarm(_SECONDS)


def _time_is_up(*_: object) -> None:
    raise _TimeIsUp


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# --- PDF --------------------------------------------------------------------------------------------------


def _pdf(data: bytes, found: _Found) -> None:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise _Refused("it is locked with a password")
    count = len(reader.pages)
    found.detail = _count(count, "page")
    for number in range(min(count, PAGES_MAX)):
        try:
            text = reader.pages[number].extract_text()
        except (_TimeIsUp, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - one broken page; the others may be good
            found.cut = True
            continue
        if text.strip() and not found.add(re.sub(r"[ \t]+\n", "\n", text.strip()) + "\n"):
            return
    found.cut = found.cut or count > PAGES_MAX
    if not found.text:
        raise _Refused("there is no text in it: a scan or a picture")


# --- Office: zipped XML -----------------------------------------------------------------------------------


def _members(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    if sum(member.file_size for member in archive.infolist()) > 4 * _UNPACKED_MAX:
        raise _Refused("it unpacks to too much")
    return archive


def _elements(archive: zipfile.ZipFile, name: str, ends: frozenset[str]) -> Iterator[Element]:
    """The outermost elements of these names, one after the other, each forgotten afterwards."""
    if archive.getinfo(name).file_size > _UNPACKED_MAX:
        raise _Refused("it unpacks to too much")
    depth = 0
    with archive.open(name) as member:
        for event, element in iterparse(member, ("start", "end")):  # noqa: S314 - see above
            if _name(element) not in ends:
                continue
            depth += 1 if event == "start" else -1
            if depth == 0:
                yield element
                element.clear()


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _attribute(element: Element, name: str) -> str | None:
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)


_LEFT_OUT = frozenset(("Fallback", "moveFrom", "del", "tbl"))
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def _said(element: Element) -> str:
    """Text below an Office paragraph: runs, tabs, line breaks; paragraphs within it on lines of their own."""
    parts: list[str] = []
    todo = list(reversed(list(element)))
    if _name(element) == "t":
        return element.text or ""
    while todo:
        node = todo.pop()
        name = _name(node)
        if name in _LEFT_OUT:
            continue
        if name == "t":
            parts.append(node.text or "")
        elif name in _SIGNS:
            parts.append(_SIGNS[name])
        else:
            if name == "p" and parts and not parts[-1].endswith("\n"):
                parts.append("\n")
            todo.extend(reversed(list(node)))
    return "".join(parts).strip("\n")


def _row(cells: list[str]) -> str:
    while cells and not cells[-1]:
        cells.pop()
    return " | ".join(" ".join(cell.split()) for cell in cells)


def _table(element: Element, row: str, cell: str, said: Callable[[Element], str]) -> str:
    """Its rows; of a table within a cell, those follow."""
    rows: list[str] = []
    for line in element.iter():
        if _name(line) == row:
            text = _row([said(one) for one in _cells(line, row, cell)])
            if text:
                rows.append(text)
        if len(rows) > _ROWS_MAX:
            break
    return "\n".join(rows)


def _cells(line: Element, row: str, cell: str) -> Iterator[Element]:
    """The cells of one row, those inside content controls too, and none of a row within."""
    todo = list(reversed(list(line)))
    while todo:
        node = todo.pop()
        if _name(node) == cell:
            yield node
        elif _name(node) != row:
            todo.extend(reversed(list(node)))


def _word(data: bytes, found: _Found) -> None:
    archive = _members(data)
    main = next((name for name in archive.namelist() if re.fullmatch(r"word/document\d*\.xml", name)), "")
    for name in (main, "word/footnotes.xml", "word/endnotes.xml"):
        if name != main and name not in archive.namelist():
            continue
        for element in _elements(archive, name, frozenset(("p", "tbl"))):
            text = _said(element) if _name(element) == "p" else _table(element, "tr", "tc", _said)
            if (text or name == main) and not found.add(text):
                return


def _slides(data: bytes, found: _Found) -> None:
    archive = _members(data)
    names = {
        int(match.group(1)): match.group()
        for name in archive.namelist()
        if (match := re.fullmatch(r"ppt/slides/slide(\d{1,5})\.xml", name))
    }
    found.detail = _count(len(names), "slide")
    for number, name in sorted(names.items()):
        elements = _elements(archive, name, frozenset(("p", "tbl")))
        lines = [_said(one) if _name(one) == "p" else _table(one, "tr", "tc", _said) for one in elements]
        notes = f"ppt/notesSlides/notesSlide{number}.xml"
        if notes in archive.namelist():
            lines += [_said(one) for one in _elements(archive, notes, frozenset(("p",)))]
        text = "\n".join(line for line in lines if line.strip())
        if text and not found.add(f"Slide {number}\n{text}\n"):
            return


def _sheet(data: bytes, found: _Found) -> None:
    from openpyxl import load_workbook

    _members(data)
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    sheets = book.worksheets
    found.detail = _count(len(sheets), "sheet")
    found.cut = len(sheets) > _SHEETS_MAX
    for sheet in sheets[:_SHEETS_MAX]:
        rows = []
        found.cut = found.cut or (sheet.max_row or 0) > _ROWS_MAX or (sheet.max_column or 0) > _COLUMNS_MAX
        for cells in sheet.iter_rows(max_row=_ROWS_MAX, max_col=_COLUMNS_MAX):
            if text := _row([_value(cell.value, cell.number_format or "") for cell in cells]):
                rows.append(text)
        hidden = sheet.sheet_state != "visible"
        if rows and (len(sheets) > 1 or hidden):
            rows.insert(0, f"Sheet {sheet.title}{' (hidden)' if hidden else ''}")
        if rows and not found.say("\n".join(rows) + "\n"):
            return


def _value(value: Any, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value * 100:.10g} %" if "%" in form else f"{value:.15g}"
    return str(value).removesuffix(" 00:00:00")


def _open_document(data: bytes, found: _Found) -> None:
    archive = _members(data)
    for element in _elements(archive, "content.xml", frozenset(("p", "h", "table", "tracked-changes"))):
        if _name(element) == "tracked-changes":
            continue  # what was deleted
        if _name(element) == "table":
            found.cut = found.cut or sum(_name(row) == "table-row" for row in element.iter()) > _ROWS_MAX
        text = _open_table(element) if _name(element) == "table" else _open_text(element)
        if text and not found.say(text):
            return


def _open_text(element: Element) -> str:
    parts = [element.text or ""]
    for node in element:
        name = _name(node)
        if name == "s":
            parts.append(" " * min(int(_attribute(node, "c") or 1), 100))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name == "note":
            parts.append(f" ({' '.join(_open_text(node).split())})")
        elif name not in ("annotation", "tracked-changes", "note-citation"):
            parts.append(_open_text(node))
        parts.append(node.tail or "")
    return "".join(parts)


def _open_table(element: Element) -> str:
    rows = []
    for line in element.iter():
        if _name(line) != "table-row":
            continue
        cells: list[str] = []
        for cell in line:
            if _name(cell) in ("table-cell", "covered-table-cell"):
                count = min(int(_attribute(cell, "number-columns-repeated") or 1), 50)
                cells += [" ".join(_open_text(child) for child in cell if _name(child) != "annotation")] * count
        if text := _row(cells[:50]):
            rows.append(text)
    return "\n".join(rows[:_ROWS_MAX])


_READERS: dict[str, Callable[[bytes, _Found], None]] = {
    "pdf": _pdf,
    "docx": _word,
    "xlsx": _sheet,
    "pptx": _slides,
    "odt": _open_document,
    "ods": _open_document,
    "odp": _open_document,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
