"""Texts made small before they are sealed: zstd with a dictionary of what the store writes (RFC 8878).

A value of a few hundred bytes is mostly names of fields and defaults; those are in the dictionary. Values are tiny, so
what is the same in each frame, its magic number, is left out. A dictionary is part of the format: another one comes
beside it, for another kind of value or under another mark in `vault.py`. `python -m benchmarks.dictionary` trains one.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_FOLDER = Path(__file__).parent
_OWN = {"packed": ("packed.zstd", 11)}
"""Kind of value → its dictionary, and how hard to try: that one is written once, by a worker that has nothing to do."""
_COMMON = ("dictionary.zstd", 3)
_MAGIC = (0xFD2FB528).to_bytes(4, "little")
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.dict_id_flag: 0,
    zstd.CompressionParameter.checksum_flag: 0,  # what is sealed is authenticated
}


def compress(kind: str, text: bytes) -> bytes:
    compressor = _compressor(*_OWN.get(kind, _COMMON))
    return bytes(compressor.compress(text, zstd.ZstdCompressor.FLUSH_FRAME)[len(_MAGIC) :])


def decompress(kind: str, small: bytes) -> bytes:
    """Raises `ValueError` for what `compress` did not make of this kind of value."""
    try:
        return zstd.decompress(_MAGIC + small, zstd_dict=_dictionary(_OWN.get(kind, _COMMON)[0]))
    except zstd.ZstdError:
        raise ValueError("a compressed value is spoilt") from None


@cache
def _dictionary(file: str) -> Any:
    return zstd.ZstdDict((_FOLDER / file).read_bytes(), is_raw=False)


@cache
def _compressor(file: str, level: int) -> zstd.ZstdCompressor:
    """One for all: a call takes its lock, and ends a frame."""
    options = _OPTIONS | {zstd.CompressionParameter.compression_level: level}
    return zstd.ZstdCompressor(options=options, zstd_dict=_dictionary(file).as_digested_dict)
