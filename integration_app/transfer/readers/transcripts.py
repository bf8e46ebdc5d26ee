"""Meeting transcripts: WebVTT, SubRip, and the text that Zoom and Teams write. Speakers and times are kept.

When the meeting began stands in none of them: it is taken from the file's name (2026-11-20, 20261120) or its date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from integration_app.text.clean import clean
from integration_app.transfer.items import ConversationItem, Item, Line, UnreadableFile

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}.*")
_VOICE = re.compile(r"<v(?:\.[^ >]*)?\s+([^>]{1,100})>")
_MARKUP = re.compile(r"</?[a-z][^>]{0,100}>", re.IGNORECASE)
_SAID = re.compile(r"([^:<>\n]{1,60}):\s+(.+)", re.DOTALL)
_ZOOM = re.compile(rf"\[?{_TIME}\]?\s+([^:\n]{{1,60}}):\s*(.*)")
_ZOOM_HEAD = re.compile(rf"\[([^\]\n]{{1,60}})\]\s+{_TIME}\s*")
_TEAMS = re.compile(rf"\s*([^\d\n][^\n]{{0,60}}?)\s{{1,6}}{_TIME}\s*")
_STAMP = re.compile(r"(?<!\d)(20\d{2})[-_.]?([01]\d)[-_.]?([0-3]\d)(?:[T _-]?([0-2]\d)[-_.:h]?([0-5]\d))?(?!\d)")
_UNKNOWN = "Speaker"


def looks_like(text: str) -> bool:
    lines = text.splitlines()[:40]
    return any(
        _CUE.fullmatch(line) or _ZOOM.fullmatch(line) or _ZOOM_HEAD.fullmatch(line) or _TEAMS.fullmatch(line)
        for line in lines
    )


def read_vtt(path: Path, me: tuple[str, ...], zone: tzinfo) -> Iterator[Item]:
    yield from _conversation(path, _cues(_text(path), me), zone)


def read_srt(path: Path, me: tuple[str, ...], zone: tzinfo) -> Iterator[Item]:
    yield from _conversation(path, _cues(_text(path), me), zone)


def read_text(path: Path, me: tuple[str, ...], zone: tzinfo) -> Iterator[Item]:
    """Zoom: `[00:01:02] Ana: Hello`, or `[Ana] 00:01:02` above. Teams: `Ana   1:02` above what was said."""
    yield from _conversation(path, _lines(_text(path), me), zone)


def _cues(text: str, me: tuple[str, ...]) -> list[Line]:
    found: list[Line] = []
    speaker = _UNKNOWN
    for block in re.split(r"\n\s*\n", text):
        rows = block.strip().split("\n")
        at = next((number for number, row in enumerate(rows) if _CUE.fullmatch(row)), None)
        if at is None:
            continue
        times = _CUE.fullmatch(rows[at])
        assert times is not None  # noqa: S101 - it has just matched
        said = "\n".join(rows[at + 1 :])
        if voice := _VOICE.search(said):
            speaker = voice.group(1).strip()
        said = _MARKUP.sub("", said).strip()
        if not voice and (named := _SAID.fullmatch(said)):
            speaker, said = named.group(1).strip(), named.group(2)
        _add(found, speaker, said, _seconds(times, 1), _seconds(times, 5), me)
    return found


def _lines(text: str, me: tuple[str, ...]) -> list[Line]:
    found: list[Line] = []
    speaker, start, said = "", 0.0, ""

    def close() -> None:
        if speaker and said.strip():
            _add(found, speaker, said.strip(), start, None, me)

    for row in text.split("\n"):
        one_line, above, teams = _ZOOM.fullmatch(row), _ZOOM_HEAD.fullmatch(row), _TEAMS.fullmatch(row)
        if one_line:
            close()
            speaker, start, said = one_line.group(5).strip(), _seconds(one_line, 1), one_line.group(6)
        elif above:
            close()
            speaker, start, said = above.group(1).strip(), _seconds(above, 2), ""
        elif teams:
            close()
            speaker, start, said = teams.group(1).strip(), _seconds(teams, 2), ""
        else:
            said += f"\n{row}"
    close()
    return found


def _add(found: list[Line], speaker: str, said: str, start: float, end: float | None, me: tuple[str, ...]) -> None:
    """What one speaker says in a row is one line."""
    text = clean(said)
    if not text:
        return
    if found and found[-1].speaker == speaker and len(found[-1].text) < 1000:
        last = found[-1]
        found[-1] = Line(speaker, f"{last.text} {text}", last.is_user, last.start, end)
        return
    found.append(Line(speaker, text, speaker.lower() in {name.lower() for name in me}, start, end))


def _conversation(path: Path, lines: list[Line], zone: tzinfo) -> Iterator[Item]:
    if not lines:
        raise UnreadableFile(f"{path.name}: no line of a transcript in it")
    begun = _begun(path, zone)
    last = lines[-1].end or (lines[-1].start or 0.0) + 5.0
    yield ConversationItem(tuple(lines), begun, begun + timedelta(seconds=last), "audio_transcript", "meeting")


def _begun(path: Path, zone: tzinfo) -> datetime:
    if found := _STAMP.search(path.stem):
        year, month, day, hour, minute = (int(part or 0) for part in found.groups())
        try:
            return datetime(year, month, day, hour, minute, tzinfo=zone).astimezone(UTC)
        except ValueError:
            pass
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)


def _seconds(found: re.Match[str], group: int) -> float:
    hours, minutes, seconds, fraction = (found.group(group + number) for number in range(4))
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
