"""Segments of a transcript: read, checked as Omi does, and given back."""

from __future__ import annotations

import uuid
from typing import Any

from integration_app.sandbox.answers import Refused
from integration_app.sandbox.developer import flag_of, number_of
from integration_app.sandbox.validation import Checker

SOURCES = (
    "omi", "friend", "openglass", "phone", "desktop", "apple_watch", "bee", "plaud", "frame", "screenpipe", "workflow",
    "sdcard", "external_integration", "fieldy", "friend_com", "phone_call", "limitless", "onboarding", "unknown",
)  # fmt: skip
BROKEN_SOURCES = frozenset(("external_integration", "workflow"))
"""Omis of before about September 2026 fail at transcripts of these; later ones make no memories of them."""


def segment(check: Checker, row: dict[str, Any], number: int) -> dict[str, Any]:
    at = ["body", "transcript_segments", number]
    speaker = check.string(row, "speaker", at=at) or "SPEAKER_00"
    tail = speaker.rpartition("_")[2]
    speaker_id = int(tail) if tail.isdigit() else 0  # one that is given is overwritten
    return {
        "id": str(uuid.uuid4()),
        "text": check.string(row, "text", at=at, required=True, null=False) or "",
        "speaker": speaker,
        "speaker_id": speaker_id,
        "is_user": flag_of(check, row, "is_user", at) or False,
        "person_id": check.string(row, "person_id", at=at),
        "start": number_of(check, row, "start", required=True, at=at) or 0.0,
        "end": number_of(check, row, "end", required=True, at=at) or 0.0,
    }


def spoken(row: dict[str, Any]) -> dict[str, Any]:
    """What Omi gives back of a segment: who spoke only as a name."""
    name = "User" if row["is_user"] else f"Speaker {row['speaker_id']}"
    kept = {field: row[field] for field in ("id", "text", "speaker_id", "start", "end")}
    return kept | {"speaker_name": name}


def reasonable(number: int, row: dict[str, Any]) -> None:
    """In the order in which Omi looks."""
    if row["end"] <= row["start"]:
        raise Refused(422, f"Segment {number}: end time must be after start time")
    if row["start"] < 0:
        raise Refused(422, f"Segment {number}: start time cannot be negative")
    if not row["text"].strip():
        raise Refused(422, f"Segment {number}: text cannot be empty")
