"""`python -m benchmarks.dictionary [--packed] FILE`: trains what `store/compression.py` compresses with, on values as the
store writes them; with `--packed`, on packed messages.

The values are made up, of every provider's kind; their words come from the documents. A new dictionary gets a new
number: what was compressed with an old one needs that to be read.
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
import string
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.harness import ROOT
from integration_app.model import (
    Attachment,
    Begun,
    Content,
    Delivery,
    Evidence,
    Hints,
    InboundMessage,
    Kind,
    Lane,
    Made,
    Preferences,
    PreparedText,
    Received,
    Route,
    SeenInOmi,
    Settled,
    Trust,
    Verdict,
)
from integration_app.providers import registry
from integration_app.store import codec, compression, packed, stories

SIZE, PACKED_SIZE = 16 * 1024, 24 * 1024
_SAMPLES = 8_000
_STARTED = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = datetime(2100, 1, 1, tzinfo=UTC)


def main() -> None:
    dice = random.Random(7)  # noqa: S311 - made-up values
    made, size = (_packed(dice), PACKED_SIZE) if "--packed" in sys.argv else (_values(dice), SIZE)
    values = [value.encode() for value in made]
    trained = compression.zstd.train_dict(values, size)  # type: ignore[attr-defined]
    Path(sys.argv[-1]).write_bytes(trained.dict_content)
    print(f"{len(values)} values, {sum(map(len, values))} bytes; {len(trained.dict_content)} bytes")


def _words() -> list[str]:
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("integration_app/providers/*/setup.md")]
    return [word for page in pages for word in re.findall(r"[A-Za-z',.]+ ", page.read_text(encoding="utf-8"))]


def _values(dice: random.Random) -> Iterator[str]:
    words, providers = _words(), list(registry.specs())
    for _ in range(_SAMPLES // 5):
        message = _message(dice, dice.choice([*providers, "twilio", "twilio", "telegram"]), words)
        yield codec.dump_envelope(message)
        yield codec.dump_content(message.content)
        yield codec.dump_prepared(_prepared(dice, message, words))
        yield _delivery(dice, message)
        yield dice.choice(
            (
                codec.dump_preferences(Preferences()),
                codec.dump_made(Made(_text(dice, words, 4), _text(dice, words, 30), (_text(dice, words, 6),))),
                f"+1{dice.randrange(10**10):010d}",
            )
        )


def _packed(dice: random.Random) -> Iterator[str]:
    """Nothing is sealed in this process, so what is packed is its text."""
    words, providers = _words(), list(registry.specs())
    for _ in range(_SAMPLES):
        texts = dice.random() < 0.5  # as many as mails, or more, come by phone
        message = _message(dice, dice.choice(("twilio", "telegram") if texts else providers), words)
        at = int(message.received_at.timestamp() * 1000)
        value = packed.packed(f"m{at:012x}{dice.randrange(16**12):012x}", _kept(dice, message, words), now=_LATER)
        if value is None:
            raise ValueError("a made-up message is not packed")
        yield value


def _kept(dice: random.Random, message: InboundMessage, words: list[str]) -> packed.Kept:
    """Delivered, and told about as often as it happens."""
    uid = "".join(dice.choices(string.ascii_letters + string.digits, k=28))
    at, step = message.received_at, timedelta(microseconds=dice.randrange(30_000))
    begun = at + dice.choice((0, 5, 20, 60)) * timedelta(seconds=1) + step
    done = begun + timedelta(microseconds=dice.randrange(10_000, 3_000_000))
    kind, delivery = (
        dice.choice((Kind.CONVERSATION, Kind.CONVERSATION, Kind.MEMORIES)),
        f"d{dice.randrange(16**19):019x}",
    )
    verdict = json.loads(stories.dump_verdict(Verdict(Trust.VERIFIED, ("sent from a linked phone",))))
    story = [
        json.loads(stories.dump(Received(at=at + step, provider=message.provider, channel=message.channel)))
        | {"U": [stories.tag(uid)], "T": [verdict]},
        json.loads(stories.dump(Begun(at=begun, uid=uid, delivery=delivery, kind=kind))),
        json.loads(stories.dump(Settled(
            at=done, uid=uid, delivery=delivery, kind=kind, status=200, seconds=round((done - begun).total_seconds(), 3),
            outcome="accepted", cause="accepted", tried_at=begun,
        ))),
    ]  # fmt: skip
    if dice.random() < 0.1:
        story.append(
            json.loads(
                stories.dump(SeenInOmi(at=done + 60 * step, uid=uid, by=str(uuid.UUID(int=dice.getrandbits(128)))))
            )
        )
    fields = {
        "envelope": codec.dump_envelope(message), "seq": str(dice.randrange(10 ** dice.randint(1, 7))), "epoch": "1",
        "pending": "0", "size": str(dice.choice((2000, dice.randrange(2000, 16_000)))), f"state:{uid}": "done",
        "prepared": codec.dump_prepared(_prepared(dice, message, words)), "keep": dice.choice(("604800", "2592000")),
    }  # fmt: skip
    return packed.Kept(fields, list(map(codec.dumps, story)))


def _prepared(dice: random.Random, message: InboundMessage, words: list[str]) -> PreparedText:
    return PreparedText(
        text=message.content.text or "", kind=dice.choice((Kind.CONVERSATION, Kind.CONVERSATION, Kind.MEMORIES)),
        head=_text(dice, words, 5) if message.channel == "email" else None,
    )  # fmt: skip


def _message(dice: random.Random, provider: str, words: list[str]) -> InboundMessage:
    at = _STARTED + timedelta(seconds=dice.uniform(0, 3e8))
    mail = provider in ("amazon-ses", "mailgun", "postmark", "raw-mail", "resend", "sendgrid")
    event = _id(dice, provider)
    sender = (
        f"{dice.choice(words).strip().lower()}@{dice.choice(('example.com', 'gmail.com'))}" if mail else _phone(dice)
    )
    plain = InboundMessage(
        provider=provider, event_id=event, dedupe_keys=(f"{provider}:{event}",),
        channel="email" if mail else dice.choice(("sms", "sms", "whatsapp", "telegram")),
        route=Route.RECIPIENT if mail else Route.SENDER, sender=sender, received_at=at,
        recipients=(f"{secrets.token_hex(8)}@in.example.com",) if mail else (_phone(dice),),
        content=Content(text=_text(dice, words, dice.randint(2, 40))),
    )  # fmt: skip
    if not mail:
        return replace(plain, hints=Hints(kind=Kind.MEMORIES)) if dice.random() < 0.03 else plain
    return replace(
        plain,
        sent_at=at - timedelta(seconds=2),
        envelope_from=sender,
        evidence=Evidence(dkim=("example.com",)),
        content=Content(
            text=_text(dice, words, dice.randint(20, 200)),
            subject=_text(dice, words, 5),
            headers=(("from", sender), ("message-id", f"<{event}@example.com>"), ("date", at.isoformat())),
            attachments=(Attachment(name="photo.jpg", content_type="image/jpeg", size=1000),)
            if dice.random() < 0.1
            else (),
        ),
    )


def _delivery(dice: random.Random, message: InboundMessage) -> str:
    at, text = message.received_at, message.content.text
    body = {
        "text": f"Me: {text}", "text_source": "other_text", "text_source_spec": "sms",
        "started_at": at.isoformat(), "finished_at": at.isoformat(), "language": "en",
    }  # fmt: skip
    return codec.dump_delivery(
        Delivery(
            id=f"d{dice.randrange(16**18):018x}", uid=secrets.token_urlsafe(20), lane=Lane(message.channel, message.sender, Kind.CONVERSATION),
            message_ids=(f"m01a{dice.randrange(16**21):021x}",), body=body, started_at=at, begun_at=at, first_tried_at=at,
        )
    )  # fmt: skip


def _text(dice: random.Random, words: list[str], count: int) -> str:
    return "".join(dice.choices(words, k=count)).strip()


def _phone(dice: random.Random) -> str:
    return f"+{dice.choice(('1', '1', '44', '49', '33', '351'))}{dice.randrange(10**9, 10**10)}"


def _id(dice: random.Random, provider: str) -> str:
    if provider == "twilio":
        return f"{dice.choice(('SM', 'MM'))}{dice.randrange(16**32):032x}"
    if provider == "telegram":
        return str(dice.randrange(10**9))
    return base64.b64encode(dice.randbytes(15)).decode()


if __name__ == "__main__":
    main()
