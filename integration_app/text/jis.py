"""ISO-2022-JP as programs on Windows write it: with rows that only Windows has (①, ㈱, 髙), and half-width kana.

Python's codecs know the standard alone. https://encoding.spec.whatwg.org/#iso-2022-jp-decoder
"""

from __future__ import annotations

import re

_SHIFT = re.compile(rb"\x1b(\$[@B]|\$\(D|\([BJI])")
_ROWS, _KANA = (b"$@", b"$B"), b"(I"


def decode_jis(data: bytes) -> str:
    """Text of 7-bit `data`; what is in none of its character sets becomes U+FFFD."""
    first, *rest = _SHIFT.split(data)
    pieces = [first.decode("ascii", "replace")]
    for mode, piece in zip(rest[::2], rest[1::2], strict=True):
        if mode in _ROWS:
            pieces += (_of_rows(line) for line in re.split(rb"([\r\n]+)", piece))
        elif mode == _KANA:
            pieces.append(bytes(byte | 0x80 for byte in piece if byte > 0x20).decode("cp932", "replace"))
        else:
            pieces.append(piece.decode("ascii", "replace"))
    return "".join(pieces)


def _of_rows(line: bytes) -> str:
    """Two bytes a character: row and cell, moved to where Shift_JIS has them."""
    if line[:1] in (b"\r", b"\n"):
        return line.decode("ascii")
    moved = bytearray()
    for row, cell in zip(line[::2], line[1::2], strict=False):
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            moved += b"?"
            continue
        lead = (row - 0x21) // 2 + (0x81 if row < 0x5F else 0xC1)
        moved += bytes((lead, cell + (0x7E if row % 2 == 0 else 0x1F if cell < 0x60 else 0x20)))
    return moved.decode("cp932", "replace")
