"""What a voice webhook of Twilio means: a voicemail's transcription, a live transcript's line. Pure.

A voicemail: https://www.twilio.com/docs/voice/twiml/record#attributes-transcribe-callback
A live transcript: https://www.twilio.com/docs/voice/twiml/transcription
A recording: https://www.twilio.com/docs/voice/api/recording#recordingstatuscallback

Some of them do not say who called. The operator adds it to the URL then: `?From={{From}}&To={{To}}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from integration_app.errors import MalformedPayload
from integration_app.model import Attachment, Content, Route
from integration_app.providers.twilio.messaging import channel_of
from integration_app.providers.twilio.parts import Parsed

_SID = re.compile(r"[A-Za-z0-9]{2,64}")


def parse_call(fields: Mapping[str, str], *, reads_recordings: bool = False) -> Parsed:
    """A line of a call, said by the user or by the other end; what carries no words is only recorded.

    `reads_recordings`: a recording can be turned into words.
    """
    event = fields.get("TranscriptionEvent", "")
    if event:
        return _live(fields, event)
    if fields.get("TranscriptionSid"):
        return _voicemail(fields)
    if fields.get("RecordingSid"):
        status = fields.get("RecordingStatus", "completed")[:30]
        told = fields.get("RecordingUrl") and (fields.get("From") or fields.get("To"))
        if reads_recordings and told and status == "completed":
            media = Attachment("audio/mpeg", url=f"{fields['RecordingUrl'][:500]}.mp3")
            return _parsed(fields, f"{fields['RecordingSid']}:{status}", "", attachments=(media,))
        return _parsed(fields, f"{fields['RecordingSid']}:{status}", f"[Recording {status}]", control="RECORDING")
    raise MalformedPayload("neither a transcription nor a recording")


def _voicemail(fields: Mapping[str, str]) -> Parsed:
    sid, said = fields["TranscriptionSid"], fields.get("TranscriptionText", "").strip()
    if fields.get("TranscriptionStatus", "completed") != "completed" or not said:
        seconds = fields.get("RecordingDuration", "")
        length = f" of {seconds} seconds" if seconds.isdigit() else ""
        said = f"[A recording{length} that could not be transcribed]"
    return _parsed(fields, sid, said)


def _live(fields: Mapping[str, str], event: str) -> Parsed:
    key = f"{fields.get('TranscriptionSid', '')}:{event[:40]}:{fields.get('SequenceId', '')[:20]}"
    if event != "transcription-content":
        return _parsed(fields, key, f"[{event[:40]}]", control="TRANSCRIPT")
    if fields.get("Final", "true").lower() != "true":
        return _parsed(fields, key, "[a part of a sentence]", control="TRANSCRIPT")
    return _parsed(fields, key, _transcript(fields.get("TranscriptionData", "")))


def _transcript(data: str) -> str:
    try:
        loaded = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedPayload("TranscriptionData is not JSON") from None
    said = loaded.get("transcript") if isinstance(loaded, dict) else None
    if not isinstance(said, str):
        raise MalformedPayload("TranscriptionData has no transcript")
    return said


def _parsed(
    fields: Mapping[str, str],
    key: str,
    text: str,
    *,
    control: str | None = None,
    attachments: tuple[Attachment, ...] = (),
) -> Parsed:
    call = fields.get("CallSid", "")
    if not _SID.fullmatch(call):
        raise MalformedPayload("CallSid is missing")
    # The phone that Twilio called is the user's; else it is the one that called.
    outbound = fields.get("Direction", "").startswith("outbound")
    mine, other = ("To", "From") if outbound else ("From", "To")
    phone = _number(fields.get(mine, ""))
    if not phone and control is None:
        raise MalformedPayload(f"{mine} is missing: add ?From={{{{From}}}}&To={{{{To}}}} to the URL of the callback")
    # What Twilio receives on a leg is said by the phone at its end.
    theirs = fields.get("Track", "") == "outbound_track"
    return Parsed(
        key=key[:200],
        event_id=key[:200],
        channel="call",
        route=Route.SENDER,
        sender=phone,
        to=_number(fields.get(other, "")),
        speaker=(fields.get("SpeakerName", "")[:80] or "Caller") if theirs else None,
        control=control,
        sent_at=_moment(fields.get("Timestamp", "")),
        content=Content(text=text or None, attachments=attachments),
    )


def _number(value: str) -> str:
    """A phone; in an unescaped query its plus sign has become a blank."""
    return channel_of(f"+{value[1:]}" if value.startswith(" ") and value[1:].isdigit() else value)[1]


def _moment(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value[:40])
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
