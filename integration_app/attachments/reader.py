"""Reads what came along with one message: fetched from its vendor where it has to be, within a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.attachments import Reading, read
from integration_app.attachments.voice import BYTES_MAX, Transcribes, length_of
from integration_app.errors import NotYet, VendorError
from integration_app.model import Attachment, Clock, Content, InboundMessage
from integration_app.text.kinds import FileKind, kind_of_file

log = logs.get(__name__)

PATIENCE = timedelta(minutes=10)
"""How long a message waits for its vendor, or for the transcription endpoint; then what came along is named."""
SECONDS_MAX = 30.0
"""Of one message, for all that came along with it."""

Fetch = Callable[[Attachment], bytes]
ReadContent = Callable[[Content], Content]
NO_CONTENTS: Mapping[str, ReadContent] = {}


class AttachmentReader:
    """`fetch` and `contents` by provider. `transcriber` None: recordings are named. `may_transcribe`: whether this
    user's day allows one more, and counts it; `was_not_transcribed` takes that back.
    """

    def __init__(
        self,
        *,
        fetch: Mapping[str, Fetch],
        contents: Mapping[str, ReadContent] = NO_CONTENTS,
        transcriber: Transcribes | None,
        may_transcribe: Callable[[str, datetime], bool],
        was_not_transcribed: Callable[[str, datetime], None],
        clock: Clock,
    ) -> None:
        self._fetch = fetch
        self._contents = contents
        self._transcriber = transcriber
        self._may_transcribe = may_transcribe
        self._was_not_transcribed = was_not_transcribed
        self._clock = clock

    def of(
        self, message: InboundMessage, uid: str, language: str | None, since: Callable[[], datetime]
    ) -> Callable[[Attachment], Reading]:
        """How this message's attachments are read. It raises `NotYet` while one may still come. `since`: when it was
        first tried.
        """
        ends = time.monotonic() + SECONDS_MAX

        def reading(attachment: Attachment) -> Reading:
            if time.monotonic() > ends:
                return Reading(why_not="there was no time to read it")
            try:
                return self._read(self._fetched(message, attachment), uid, language)
            except NotYet as later:
                if later.is_ours or self._clock() - since() < PATIENCE:
                    raise
                log.warning("attachment not read", why=str(later))
                return Reading(why_not=str(later))
            except VendorError as error:
                return Reading(why_not=str(error))

        return reading

    def whole(self, message: InboundMessage, content: Content, since: Callable[[], datetime]) -> Content:
        """The content of a message, fetched from its vendor where that keeps it. Raises `NotYet` while it may still
        come, else `VendorError`.
        """
        if content.kept_as is None:
            return content
        read = self._contents.get(message.provider)
        if read is None:
            raise VendorError("its provider is off")
        try:
            return read(content)
        except NotYet as later:
            if self._clock() - since() < PATIENCE:
                raise
            raise VendorError(str(later)) from None

    def _fetched(self, message: InboundMessage, attachment: Attachment) -> Attachment:
        kind = kind_of_file(attachment.content_type, attachment.name)
        fetch = self._fetch.get(message.provider)
        wanted = kind is not None and (kind is not FileKind.AUDIO or self._transcriber is not None)
        if attachment.data is not None or attachment.url is None or fetch is None or not wanted:
            return attachment
        data = fetch(attachment)
        return replace(attachment, data=data, size=len(data))

    def _read(self, attachment: Attachment, uid: str, language: str | None) -> Reading:
        if kind_of_file(attachment.content_type, attachment.name) is not FileKind.AUDIO:
            return read(attachment)
        data = attachment.data
        if self._transcriber is None or data is None:
            return Reading(why_not=attachment.why_not or "")
        if len(data) > BYTES_MAX:
            return Reading(why_not="the recording is too large")
        if not self._may_transcribe(uid, self._clock()):
            return Reading(why_not="today's recordings are used up")
        language = (language or "")[:2] or None
        try:
            said = self._transcriber.transcribe(data, attachment.content_type, name=attachment.name, language=language)
        except NotYet:
            self._was_not_transcribed(uid, self._clock())
            raise
        if not said:
            return Reading(why_not="nothing is said in it")
        return Reading(said, detail=length_of(data), is_voice=True)
