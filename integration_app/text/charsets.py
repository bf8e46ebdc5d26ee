"""Bytes to text under whatever charset label a mail claims. Never raises.

Labels are read the way browsers read them (https://encoding.spec.whatwg.org/#names-and-labels): mail that says
latin-1 is nearly always windows-1252, mail that says gb2312 is nearly always GBK.
"""

from __future__ import annotations

import codecs
import re
from email.errors import HeaderParseError
from email.header import decode_header

from integration_app.text.jis import decode_jis

_REALLY = {
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "windows-31j": "cp932",
    "koi8-ru": "koi8-u",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
}

_SEVEN_BITS = ("iso-2022-", "hz", "utf-7")
_PREFIX = re.compile(r"^x-(?=[a-z])")
_WINDOWS = re.compile(r"^win(?:dows)?-?(?=125\d$|874$)")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What a text begins with decides, whatever its label says."""


def decode(data: bytes, label: str | None = None) -> str:
    """Text of `data`: first as UTF-8 where the label is missing or ASCII, then as labelled, then
    with replacement characters for what does not fit."""
    for mark, marked in _MARKS:
        if data.startswith(mark) and len(data) > len(mark) + 1:
            return data.decode(marked, "replace")
    name = _PREFIX.sub("", (label or "").strip().strip("\"'").lower()[:40])
    name = _WINDOWS.sub("cp", name)
    codec = _REALLY.get(name, name)
    attempts = [codec, "utf-8"] if codec not in ("", "cp1252") else ["utf-8"]
    if data.isascii() and codec.startswith(_SEVEN_BITS):
        attempts = [codec]  # it would be UTF-8 as well, and garbage
    for attempt in attempts:
        if not _is_text_codec(attempt):
            continue
        try:
            return data.decode(attempt)
        except (UnicodeDecodeError, ValueError):
            continue
    if data.isascii() and codec.startswith("iso-2022-jp"):
        return decode_jis(data)
    fallback = codec if _is_text_codec(codec) else "cp1252"
    if codecs.lookup(fallback).name == "utf-8" and _LETTER.search(data) and not _MULTIBYTE.search(data):
        fallback = "cp1252"  # it says UTF-8, and not one character of it is: umlauts of an older program
    return data.decode(fallback, "replace")


def decode_words(value: str) -> str:
    """RFC 2047 encoded words, through the same charset ladder as bodies."""
    try:
        parts = decode_header(value)
    except (HeaderParseError, ValueError, LookupError, AttributeError):
        return value
    return "".join(part if isinstance(part, str) else _decoded(part, label) for part, label in parts)


def _decoded(part: bytes, label: str | None) -> str:
    """A piece of a header. What is not encoded comes back from the standard library as raw-unicode-escape, in which a
    backslash in the original may be broken."""
    if label is not None:
        return decode(part, label)
    try:
        return part.decode("raw-unicode-escape")
    except UnicodeDecodeError:
        return part.decode("latin-1")


def _is_text_codec(name: str) -> bool:
    """Python also has codecs that are not charsets (zip, rot13, idna …): a mail must not choose those."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, TypeError):
        return False
    return getattr(info, "_is_text_encoding", True) and info.name.replace("-", "_") not in _NOT_CHARSETS


_NOT_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_LETTER = re.compile(rb"[A-Za-z]")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
