"""Files to items: dates kept, speakers kept, broken files named by line and never by their words."""

from __future__ import annotations

import itertools
import mailbox
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from integration_app.transfer import readers
from integration_app.transfer.items import ConversationItem, Item, MemoryItem, TaskItem, UnreadableFile
from integration_app.transfer.places import segments_of


def read(path: Path, text: str | bytes, *, me: tuple[str, ...] = (), zone: str = "UTC", **more: str) -> list[Item]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(readers.read(path, readers.Options(me=me, zone=ZoneInfo(zone), **more)))


def conversation(items: list[Item]) -> ConversationItem:
    (only,) = items
    assert isinstance(only, ConversationItem)
    return only


SMS = """<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<smses count="4">
  <sms protocol="0" address="+15550002222" date="1763625600000" type="1" body="Landed &#55357;&#56842; in Lisbon" contact_name="Mara" />
  <sms protocol="0" address="+15550002222" date="1763625660000" type="2" body="Great, see you" contact_name="Mara" />
  <sms protocol="0" address="+15550003333" date="1763625700000" type="1" body="Hi &#0; there" contact_name="(Unknown)" />
  <sms protocol="0" address="+15550002222" date="1763712060000" type="1" body="Next day" contact_name="Mara" />
  <mms address="+15550002222" date="1763712120000" m_type="132"><parts>
    <part ct="application/smil" text="null"/><part ct="text/plain" text="The view"/><part ct="image/jpeg" text="null"/>
  </parts></mms>
</smses>
"""


def test_an_sms_backup_becomes_conversations_by_thread_and_day(tmp_path: Path) -> None:
    items = read(tmp_path / "sms.xml", SMS)
    texts = [item.text for item in items if isinstance(item, ConversationItem)]
    assert texts == [
        "Mara: Landed 😊 in Lisbon\n\nMe: Great, see you",
        "+15550003333: Hi  there",
        "Mara: Next day\n\n+15550002222: The view\n[Attachment: image/jpeg]",
    ]
    first = items[0]
    assert isinstance(first, ConversationItem)
    assert (first.started_at, first.source, first.spec) == (datetime(2025, 11, 20, 8, 0, tzinfo=UTC), "message", "sms")


@pytest.mark.parametrize(
    "text",
    [
        "31/12/2025, 21:41 - Ana: Hello\n31/12/2025, 21:42 - Sam Rivera: Hi\nsecond line\n",
        "[31.12.25, 21:41:05] Ana: Hello\n[31.12.25, 21:42:00] Sam Rivera: Hi\nsecond line\n",
        "12/31/25, 9:41 PM - Ana: Hello\n12/31/25, 9:42 PM - Sam Rivera: Hi\nsecond line\n",
        "\u200e[31/12/2025, 21:41:05] Ana: Hello\n[31/12/2025, 21:42:00] Sam Rivera: Hi\nsecond line\n",
    ],
)
def test_whatsapp_chats_of_several_phones(tmp_path: Path, text: str) -> None:
    head = text.split("\n", 1)[0].replace("Ana: Hello", "Messages are end-to-end encrypted.")
    found = conversation(read(tmp_path / "chat.txt", f"{head}\n{text}", me=("sam rivera",)))
    assert found.text == "Ana: Hello\n\nMe: Hi\nsecond line"
    assert found.started_at.replace(second=0) == datetime(2025, 12, 31, 21, 41, tzinfo=UTC)


def test_a_zone_for_times_that_say_none(tmp_path: Path) -> None:
    found = conversation(
        read(tmp_path / "c.txt", "31/07/2025, 21:41 - A: x\n31/07/2025, 21:42 - B: y\n", zone="Europe/Lisbon")
    )
    assert found.started_at == datetime(2025, 7, 31, 20, 41, tzinfo=UTC)


def test_mails_keep_date_author_and_forward(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "old.mbox")
    for number in range(2):
        mail = EmailMessage()
        mail["From"], mail["Subject"] = "Ana <ana@example.com>", f"Trip {number}"
        mail["Date"] = f"Mon, 1{number} Nov 2025 09:14:00 +0100"
        mail["Message-ID"] = f"<{number}@example.com>"
        mail.set_content("Gate 12.\n\n-- \nAna")
        box.add(mail)
    bounce = EmailMessage()
    bounce["From"], bounce["Auto-Submitted"] = "MAILER-DAEMON@example.com", "auto-replied"
    bounce.set_content("failed")
    box.add(bounce)
    box.flush()
    box.close()
    items = list(readers.read(tmp_path / "old.mbox", readers.Options()))
    assert len(items) == 2, "a bounce is nobody's own words"
    first = items[0]
    assert isinstance(first, ConversationItem)
    assert first.text == "From: Ana <ana@example.com>\nSubject: Trip 0\nDate: Mon, 10 Nov 2025 08:14 UTC\n\nGate 12."
    assert (first.started_at, first.spec) == (datetime(2025, 11, 10, 8, 14, tzinfo=UTC), "email")


def test_tables_of_memories_and_tasks(tmp_path: Path) -> None:
    memories = read(tmp_path / "m.csv", 'content,tags\nLikes tea,"food, home"\nHas a bike,\n')
    assert memories == [MemoryItem("Likes tea", ("food", "home")), MemoryItem("Has a bike")]
    tasks = read(
        tmp_path / "t.csv",
        "Title;Due Date;Status\nPay rent;2026-12-01;done\nCall Mara;;open\n".replace("Due Date", "due_date"),
    )
    assert tasks == [TaskItem("Pay rent", True, datetime(2026, 12, 1, tzinfo=UTC)), TaskItem("Call Mara")]
    mixed = read(
        tmp_path / "x.jsonl",
        '{"content": "Likes tea", "tags": ["#food"]}\n\n{"description": "Pay", "due_at": "2026-12-01T10:00:00+01:00"}\n',
    )
    assert mixed == [MemoryItem("Likes tea", ("food",)), TaskItem("Pay", due_at=datetime(2026, 12, 1, 9, tzinfo=UTC))]
    assert read(tmp_path / "n.csv", "content\nPay rent\n", as_what="tasks") == [TaskItem("Pay rent")]


def test_notes_with_front_matter(tmp_path: Path) -> None:
    listed = read(
        tmp_path / "facts.md", "---\ntags: [home, keys]\n---\n- the key is with Mara\n- the alarm is 7 #code\n"
    )
    assert listed == [
        MemoryItem("the key is with Mara", ("home", "keys", "code")),
        MemoryItem("the alarm is 7 #code", ("home", "keys", "code")),
    ]
    note = conversation(
        read(
            tmp_path / "day.md",
            "---\ntitle: A day\ndate: 2026-11-19\ntags:\n  - travel\n---\nWe went to Sintra.\n\nIt rained.\n",
        )
    )
    assert note.text == "Subject: A day\nTags: travel\n\nWe went to Sintra.\n\nIt rained."
    assert note.started_at == datetime(2026, 11, 19, tzinfo=UTC)
    assert read(tmp_path / "one.md", "---\ntype: memory\n---\nLikes\ntea\n") == [MemoryItem("Likes tea")]


VTT = "WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.500\n<v Ana Pérez>Shall we begin?</v>\n\n00:00:04.000 --> 00:00:06.000\n<v Sam>Yes. I will send the budget by Friday.\n"
SRT = "1\n00:00:01,000 --> 00:00:03,500\nAna Pérez: Shall we begin?\n\n2\n00:00:04,000 --> 00:00:06,000\nSam: Yes. I will send\nthe budget by Friday.\n"
ZOOM = "[00:00:01] Ana Pérez: Shall we begin?\n[00:00:04] Sam: Yes. I will send the budget by Friday.\n"
ZOOM_CLOUD = "[Ana Pérez] 00:00:01\nShall we begin?\n\n[Sam] 00:00:04\nYes. I will send the budget by Friday.\n"
TEAMS = "Ana Pérez   0:01\nShall we begin?\nSam   0:04\nYes. I will send the budget by Friday.\n"


@pytest.mark.parametrize(
    ("name", "text"), [("a.vtt", VTT), ("a.srt", SRT), ("a.txt", ZOOM), ("b.txt", ZOOM_CLOUD), ("c.txt", TEAMS)]
)
def test_transcripts_keep_speakers_and_times(tmp_path: Path, name: str, text: str) -> None:
    found = conversation(read(tmp_path / f"2026-11-20 1000 {name}", text, me=("Ana Pérez",)))
    said = [(line.speaker, line.text.replace("\n", " "), line.is_user, line.start) for line in found.lines]
    assert said == [
        ("Ana Pérez", "Shall we begin?", True, 1.0),
        ("Sam", "Yes. I will send the budget by Friday.", False, 4.0),
    ]
    assert (found.started_at, found.source) == (datetime(2026, 11, 20, 10, 0, tzinfo=UTC), "audio_transcript")
    (segments,) = segments_of(found)
    assert [(row.speaker, row.is_user, row.start) for row in segments] == [
        ("SPEAKER_00", True, 1.0),
        ("SPEAKER_01", False, 4.0),
    ]
    assert all(one.end <= two.start for one, two in itertools.pairwise(segments))


def test_long_transcripts_are_cut_into_lists_of_five_hundred(tmp_path: Path) -> None:
    rows = "".join(f"[00:{n // 60:02d}:{n % 60:02d}] {'Ana' if n % 2 else 'Sam'}: word {n}\n" for n in range(1201))
    lists = segments_of(conversation(read(tmp_path / "z.txt", rows)))
    assert [len(part) for part in lists] == [500, 500, 201]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.xml", "<smses><sms", "not an SMS backup"),
        ("x.jsonl", '{"content": "secret words"}\n{oops', "line 2: not JSON"),
        ("x.jsonl", "[1]\n", "line 1: not an object"),
        ("x.csv", "colour\nred secret\n", "line 2: neither content nor description"),
        ("x.vtt", "WEBVTT\n\nnothing\n", "no line of a transcript"),
        ("x.bin", "\x00\x01", "not a kind of file"),
        ("x.txt", "just secret words", "not a kind of file"),
    ],
)
def test_a_broken_file_is_named_without_its_words(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read(tmp_path / name, text)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_long_pause_begins_a_new_conversation(tmp_path: Path) -> None:
    begun = datetime(2025, 1, 1, 8, 0, tzinfo=UTC)
    rows = [f"{begun + timedelta(hours=hour):%d/%m/%Y, %H:%M} - A: hour {hour}\n" for hour in (0, 1, 9, 10)]
    assert len(read(tmp_path / "c.txt", "".join(rows))) == 2


def test_texts_of_a_month_are_one_conversation_that_says_the_days(tmp_path: Path) -> None:
    rows = "".join(f"0{day}/01/2025, 08:00 - Ana: day {day}\n0{day}/01/2025, 08:01 - Ana: more\n" for day in (1, 2, 9))
    found = conversation(read(tmp_path / "c.txt", rows, per="month"))
    assert [line.text for line in found.lines] == [
        "[01 Jan 2025] day 1", "more", "[02 Jan 2025] day 2", "more", "[09 Jan 2025] day 9", "more",
    ]  # fmt: skip
