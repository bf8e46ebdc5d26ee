"""Starts `extract.py` for one document, a few at a time. What it may use is limited there; its time here once more."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from integration_app.attachments.reading import Reading
from integration_app.errors import NotYet
from integration_app.text.kinds import FileKind

_EXTRACT = Path(__file__).with_name("extract.py")
_SECONDS = 15
_QUEUE_SECONDS = 10
_BUSY_SECONDS = 15
_ANSWER_MAX = 400_000
_FREE = threading.BoundedSemaphore(2)


def read_document(kind: FileKind, data: bytes) -> Reading:
    """Its words, or why there are none. Raises `NotYet` while others are read."""
    if not _FREE.acquire(timeout=_QUEUE_SECONDS):
        raise NotYet(_BUSY_SECONDS, "other documents are being read", is_ours=True)
    try:
        # no environment: no secret of ours is within a parser's reach
        ended = subprocess.run(  # noqa: S603 - our own file
            [sys.executable, "-I", str(_EXTRACT), kind.value],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            env={"LC_ALL": "C.UTF-8"},
            check=False,
        )
        found = json.loads(ended.stdout[:_ANSWER_MAX])
    except subprocess.TimeoutExpired:
        return Reading(why_not="it takes too long to read")
    except (OSError, ValueError):
        return Reading(why_not="it could not be read")
    finally:
        _FREE.release()
    if "error" in found:
        return Reading(why_not=str(found["error"]))
    return Reading(str(found["text"]), detail=str(found["detail"]), cut=bool(found["cut"]))
