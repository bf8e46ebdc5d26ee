"""Mails with which the cutting of history was attacked: own words, forwards, time."""

from __future__ import annotations

import time

import pytest

from integration_app.mail import mail_of
from integration_app.mail.bodies import choose_body
from integration_app.model import Content

GMAIL = "On Mon, Mar 3, 2025 at 10:00 AM Bob Miller <bob@example.com> wrote:\n"
QUOTED = "> Hello past one\n> second past line\n"
OUTLOOK = (
    "From: Bob Miller <bob@example.com>\nSent: Monday, March 3, 2025 10:00 AM\nTo: Alice <alice@example.com>\n"
    "Subject: Budget\n\nHello past one\nsecond past line\n"
)
LIST = "\n\n_______________________________________________\nfoo mailing list\nfoo@lists.example.org\n"

OWN = {
    "an answer above a list's footer": f"Hi Bob,\n\n{GMAIL}{QUOTED}\nThe patch OWN looks fine.{LIST}",
    "an answer above a phone's footer": f"Hi\n\n{GMAIL}{QUOTED}\nYes, OWN.\n\nSent from my iPhone\n",
    "an answer that says: this message": f"Hi\n\n{GMAIL}{QUOTED}\nI got this message twice, OWN please check.\n",
    "an answer below a rule": f"Hi\n\n{GMAIL}{QUOTED}\n-----\nOWN answer below the line\n",
    "words on the attribution's line": f"Hi Bob\n\nFine OWN. {GMAIL}{QUOTED}",
    "the same without a full stop": f"Hi Bob\n\nOWN ok thanks {GMAIL}{QUOTED}",
    "absent is not sent": "Hi Bob,\nOn 12 March 2025 at 14:00 I will be absent\nPlease OWN call Carl instead.",
    "a log": "See:\n2025-03-12 14:00:02 mail sent\n2025-03-12 14:00:09 OWN bounced",
    "an agenda with an address": "Hi,\nthe call is on 12.03.2025 at 14:00 (bob@example.com hosts), agenda:\n1. OWN budget",
    "a proposal": "Proposal:\n\nDate: 12 March 2025\nFrom: 10:00\nTo: 12:00\nSubject: Budget planning\n\nOWN numbers?",
    "a draft": "please send this:\n\nFrom: Management\nTo: all\nSubject: Summer party\n\nDear OWN all",
    "a trip": "Da:\n\nDe: São Paulo\nPara: Rio\nData: 12.03.2025\nAssunto: visita\n\nOWN até já",
    "limits": f"The limits:\n\n> 30 kg: OWN extra fee\n< 30 kg: free\n\n{OUTLOOK}",
    "commands": f"Do:\n> npm install OWN\n> npm start\n\n{GMAIL}{QUOTED}",
    "a short answer in between": f"Hi Bob,\n\n{GMAIL}> Please tell me the number of people that will join us on Saturday night\n12 people OWN\n\n> and the place\n",
    "a date above a short attribution": "Hi Bob\n12.3.2025 is OWN fine for me\nMax wrote:\n> past\n",
    "a sentence that ends in wrote": "I want to remind you of OWN what you wrote:\n\n> we will pay\n\nSo please pay.",
    "a rule of one's own": "Changes:\n\n---- Original message text ----\nOWN2\n---- New ----\nOWN3",
    "a postscript": "yes\n\n-- \nAlice\n\nP.S. OWN bring the keys\n",
    "a sentence that begins like a forward": f"Forwarded message to legal OWN, they will answer.\n\n{GMAIL}{QUOTED}",
}


@pytest.mark.parametrize("name", OWN)
def test_own_words_are_kept(name: str) -> None:
    assert "OWN" in choose_body(OWN[name], None, subject="Re: Budget", is_reply=True).text


@pytest.mark.parametrize("head", ["-----Original Message-----\n", ""])
@pytest.mark.parametrize("subject", ["Offer of Carl, please pay", "Budget"])
def test_a_forward_of_outlook_without_its_prefix_is_kept(head: str, subject: str) -> None:
    body = choose_body(f"Please pay OWN\n\n{head}{OUTLOOK}", None, subject=subject, is_reply=True)
    assert "second past line" in body.text
    assert body.is_forward


def test_typed_into_gmails_container() -> None:
    html = (
        '<div>The law says OWN:<blockquote class="gmail_quote">QUOTED</blockquote></div><br>'
        '<div class="gmail_quote"><div>OWN2 fine</div><div class="gmail_attr">On Mon, Mar 3, 2025 Bob wrote:</div>'
        '<blockquote class="gmail_quote">past</blockquote></div>'
    )
    body = choose_body(None, html, subject="Re: x", is_reply=True)
    assert all(word in body.text for word in ("OWN", "QUOTED", "OWN2"))
    assert "past" not in body.text


def test_the_author_of_a_forward_is_who_stands_behind_from() -> None:
    text = "FYI\n\n________________________________\nFrom: Carl Car\nSent: Monday, March 3, 2025 10:00 AM\nTo: Alice <alice@example.com>\nSubject: Offer\n\nText"
    forward = mail_of(Content(text=text, subject="FW: Offer")).forward
    assert forward is not None
    assert (forward.original.name, forward.original.address, forward.note) == ("Carl Car", None, "FYI")


def test_the_topmost_mail_is_the_one_that_is_forwarded() -> None:
    text = f"FYI\n\n{OUTLOOK}\n-----Ursprüngliche Nachricht-----\nVon: Eve <eve@example.com>\nGesendet: 1. März 2025 10:00\nAn: Bob\nBetreff: x\n\nalt"
    forward = mail_of(Content(text=text, subject="FW: Budget")).forward
    assert forward is not None
    assert forward.original.address == "bob@example.com"


SLOW = {
    "colons": "a:\n" * 66_000,
    "colons and blanks": ":\n\n\n" * 60_000,
    "numbers": ("1 " * 199 + ":\n") * 500,
    "brackets": ("<" * 399 + ":\n") * 500,
    "months": ("januar " * 57 + ":\n") * 500,
    "attributions": "> a\nb wrote:\n" * 70_000,
    "quoted forwards": "> forwarded message:\n" * 200 + ">\n" * 20_000,
    "long lines": ("word " * 250 + "\n") * 190,
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("subject", ["Re: x", "Fwd: x"])
def test_no_text_takes_more_than_a_moment(name: str, subject: str) -> None:
    began = time.thread_time()
    mail_of(Content(text=SLOW[name], subject=subject))
    assert time.thread_time() - began < 3, "a bound on work, not a measurement: it took ten seconds and more"


@pytest.mark.parametrize("html", ["<div>" * 200_000 + "x", "<p>x" * 250_000, "<br>" * 250_000, "<td>x" * 200_000])
def test_no_html_takes_more_than_a_moment(html: str) -> None:
    began = time.thread_time()
    assert choose_body(None, html).text
    assert time.thread_time() - began < 5, "a bound on work: it took minutes"
