"""Texts made small before they are sealed: zstd with a dictionary of what the store writes (RFC 8878).

A value of a few hundred bytes is mostly names of fields and defaults; those are in the dictionary. Values are tiny, so
what is the same in each frame, its magic number, is left out. The dictionary is part of the format: another one comes
beside it, under another mark in `vault.py`. `python -m benchmarks.dictionary` trains one.
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

_FILE = Path(__file__).with_name("dictionary.zstd")
_MAGIC = (0xFD2FB528).to_bytes(4, "little")
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.dict_id_flag: 0,
    zstd.CompressionParameter.checksum_flag: 0,  # what is sealed is authenticated
}


def compress(text: bytes) -> bytes:
    return bytes(_compressor().compress(text, zstd.ZstdCompressor.FLUSH_FRAME)[len(_MAGIC) :])


def decompress(small: bytes) -> bytes:
    """Raises `ValueError` for what `compress` did not make."""
    try:
        return zstd.decompress(_MAGIC + small, zstd_dict=_dictionary())
    except zstd.ZstdError:
        raise ValueError("a compressed value is spoilt") from None


@cache
def _dictionary() -> Any:
    return zstd.ZstdDict(_FILE.read_bytes(), is_raw=False)


@cache
def _compressor() -> zstd.ZstdCompressor:
    """One for all: a call takes its lock, and ends a frame."""
    return zstd.ZstdCompressor(options=_OPTIONS, zstd_dict=_dictionary().as_digested_dict)
