"""`python -m benchmarks.dictionary FILE`: trains what `store/compression.py` compresses with, on values as the store writes them.

The values are made up, of every provider's kind; their words come from the documents. A new dictionary gets a new
number: what was compressed with an old one needs that to be read.
"""

from __future__ import annotations

import base64
import random
import re
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.harness import ROOT
from integration_app.model import (
    Attachment,
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
    Route,
)
from integration_app.providers import registry
from integration_app.store import codec, compression

SIZE = 16 * 1024
_SAMPLES = 8_000
_STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    dice = random.Random(7)  # noqa: S311 - made-up values
    values = [value.encode() for value in _values(dice)]
    trained = compression.zstd.train_dict(values, SIZE)  # type: ignore[attr-defined]
    Path(sys.argv[1]).write_bytes(trained.dict_content)
    print(f"{len(values)} values, {sum(map(len, values))} bytes; {len(trained.dict_content)} bytes")


def _values(dice: random.Random) -> Iterator[str]:
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("integration_app/providers/*/setup.md")]
    words = [word for page in pages for word in re.findall(r"[A-Za-z',.]+ ", page.read_text(encoding="utf-8"))]
    providers = list(registry.specs())
    for _ in range(_SAMPLES // 5):
        message = _message(dice, dice.choice([*providers, "twilio", "twilio", "telegram"]), words)
        yield codec.dump_envelope(message)
        yield codec.dump_content(message.content)
        prepared = PreparedText(
            text=message.content.text or "", kind=dice.choice((Kind.CONVERSATION, Kind.CONVERSATION, Kind.MEMORIES)),
            head=_text(dice, words, 5) if message.channel == "email" else None,
        )  # fmt: skip
        yield codec.dump_prepared(prepared)
        yield _delivery(dice, message)
        yield dice.choice(
            (
                codec.dump_preferences(Preferences()),
                codec.dump_made(Made(_text(dice, words, 4), _text(dice, words, 30), (_text(dice, words, 6),))),
                f"+1{dice.randrange(10**10):010d}",
            )
        )


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
