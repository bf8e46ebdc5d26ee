"""Speech to text by an endpoint that the operator names: `POST …/v1/audio/transcriptions`, as OpenAI documents it and
self-hosted servers speak it.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import json
import time
from typing import Protocol

import requests
from urllib3.exceptions import HTTPError

from integration_app.errors import NotYet, VendorError
from integration_app.providers.common.fetch import body_of
from integration_app.text.clean import clean

BYTES_MAX = 25_000_000
_TIMEOUT = (5.0, 25.0)
_ANSWER_MAX = 2_000_000
_AWAY_SECONDS = 60.0
_ENDINGS = {"audio/ogg": "ogg", "audio/mpeg": "mp3", "audio/mp4": "m4a", "audio/x-wav": "wav", "audio/amr": "amr"}


class Transcribes(Protocol):
    """Turns recordings into words."""

    def transcribe(self, data: bytes, content_type: str, *, name: str | None, language: str | None) -> str: ...


class Transcriber:
    """`url` whole, such as https://api.openai.com/v1/audio/transcriptions; without `key` no Authorization is sent."""

    def __init__(self, url: str, key: str | None, model: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._model = model

    def transcribe(self, data: bytes, content_type: str, *, name: str | None, language: str | None) -> str:
        """What is said in a recording; "" where nothing is. Raises `NotYet` while the endpoint does not answer,
        `VendorError` where it refuses this recording.
        """
        bare = content_type.partition(";")[0].strip().lower()
        fields = {"model": self._model, "response_format": "json"} | ({"language": language} if language else {})
        # the endpoint goes by the ending of the name; the sender's own name stays here
        ending = _ENDINGS.get(bare) or (name or "").rpartition(".")[2].lower()[:5] or bare.rpartition("/")[2][:5]
        try:
            with requests.post(
                self._url,
                headers=self._headers,
                data=fields,
                files={"file": (f"voice.{ending}", data, bare)},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as answer:
                raw = body_of(answer, _ANSWER_MAX, time.monotonic() + _TIMEOUT[1])
        except (requests.RequestException, HTTPError, OSError) as error:
            raise NotYet(_AWAY_SECONDS, f"TRANSCRIBE_URL does not answer ({type(error).__name__})") from None
        if answer.status_code in (401, 403, 404, 408, 429) or answer.status_code >= 500:
            raise NotYet(_AWAY_SECONDS, f"TRANSCRIBE_URL answers {answer.status_code}")
        if answer.status_code != 200 or len(raw) > _ANSWER_MAX:
            raise VendorError(f"the transcription endpoint answers {answer.status_code}")
        try:
            said = json.loads(raw)["text"]
        except (ValueError, KeyError, TypeError):
            raise VendorError("the transcription endpoint answers without a text") from None
        if not isinstance(said, str):
            raise VendorError("the transcription endpoint answers without a text")
        return clean(said).strip()


def length_of(data: bytes) -> str:
    """How long an Ogg Opus recording is ("0:42"): the position of its last page, 48,000 a second; "" for others.

    https://www.rfc-editor.org/rfc/rfc7845#section-4
    """
    at = data.rfind(b"OggS")
    if b"OpusHead" not in data[:200] or at < 0 or len(data) < at + 14:
        return ""
    seconds = round(int.from_bytes(data[at + 6 : at + 14], "little") / 48_000)
    return f"{seconds // 60}:{seconds % 60:02d}" if 0 < seconds < 86_400 else ""
