"""What mail programs of the world write, and what people do: own words stay, history goes, and nothing is altered."""

from __future__ import annotations

import pytest

from integration_app.mail.bodies import choose_body
from integration_app.mail.footers import is_footer
from integration_app.mail.forwards import forward_of
from integration_app.mail.history import is_forward, split_history
from integration_app.mail.html import html_to_text
from integration_app.mail.mime import read_mail
from integration_app.text.charsets import decode

BLOCK = "From: Anna <anna@example.com>\nSent: Monday, November 2, 2026 9:14 AM\nTo: Me\nSubject: Plan\n\nold words\n"
QUOTED = "On Mon, Nov 2, 2026 at 9:14 AM Anna Berg <anna@example.com> wrote:\n> old words?\n> more\n"


@pytest.mark.parametrize(
    "text",
    [
        "Hi,\n\nOn May 3, Anna wrote:\n\nThe deal is off.\n\nI disagree with her.",
        "Salut,\n\nLe 3 novembre, Paul a écrit :\n\n« non ».\n\nJe ne suis pas d'accord.",
        "On 3 November Anna wrote:\n\nThe deal is off.\n\nI disagree.",
        "The poem:\n\n> Roses are red\n> violets are blue\n> sugar is sweet\n> and so are you\n> la la\n> the end",
    ],
)
def test_who_cites_in_their_own_words_keeps_them(text: str) -> None:
    assert split_history(text, subject="Re: Plan", is_reply=True).own == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "Yes.\n\n> On 2 Nov 2026, at 09:14, Anna Berg <anna@example.com> wrote:\n> \n> \ufeffold?\n> \n> Anna\n",
        "Yes.\n\n> Anna Berg <anna@example.com> hat am 02.11.2026 09:14 CET geschrieben:\n> \n>  \n> old\n",
        "Yes.\n\nQuoting Anna Berg <anna@example.com>:\n\n> old\n",
        "Yes.\n\nZitat von Anna Berg <anna@example.com>:\n\n> old\n",
        "Yes.\n\nOn Monday, November 2, 2026 at 09:14:00 AM GMT+1, Anna Berg <anna@example.com> wrote:\n\nold\n",
        "Yes.\n\nAm Montag, 2. November 2026 um 09:14:00 MEZ hat Anna <anna@example.com> Folgendes geschrieben:\nold\n",
        'Yes.\n\n-----Original-Nachricht-----\nBetreff: Plan\nDatum: 2026-11-02T09:14:00+0100\nVon: "A" <a@example.com>\n'
        'An: "me@example.com" <me@example.com>\n\nold\n',
        "Yes.\n\n-----Anna Berg <anna@example.com> wrote: -----\nTo: me@example.com\nFrom: Anna <anna@example.com>\n"
        "Date: 11/02/2026 09:14AM\nSubject: Plan\n\nold\n",
    ],
)
def test_history_is_cut(text: str) -> None:
    assert split_history(text, subject="Re: Plan", is_reply=True).own == "Yes."


def test_answers_within_what_ios_quotes_are_kept() -> None:
    text = "> On 2 Nov 2026, at 09:14, Anna <anna@example.com> wrote:\n> \n> one?\n\nYes\n\n> two?\n\nNo\n"
    assert split_history(text, subject="Re: Plan", is_reply=True).own == text.strip()


@pytest.mark.parametrize(
    "own", ["Works for me.\n\nDate: Friday, 6 November 10:00", "To: do\nFrom: the desk of Sam\nDate: next Friday"]
)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_own_lines_that_look_like_labels_are_no_part_of_the_block(own: str, gap: str) -> None:
    assert split_history(f"{own}{gap}{BLOCK}", subject="Re: Plan", is_reply=True).own == own


@pytest.mark.parametrize(
    "subject",
    [
        "[EXTERNAL] RE: Plan", "[team] Re: Plan", "[list #12] Re: Plan", "*SPAM* Re: Plan", "EXTERNAL: Re: Plan",
        "Antwort: Plan", "Svar: Plan", "Odpowiedź: Plan", "Ответ: Plan", "Re^2: Plan", "Trả lời: Plan", "Vast: Plan",
    ],
)  # fmt: skip
def test_an_answer_is_known_by_its_subject(subject: str) -> None:
    text = f"I agree.\n\n{'_' * 32}\n{BLOCK}"
    assert not is_forward(text, subject)
    assert split_history(text, subject=subject, is_reply=True).own == "I agree."


@pytest.mark.parametrize(
    "line",
    [
        "Von meinem Vater habe ich nichts gehört.",
        "Von meinem iPhone geht es nicht.",
        "The information you need is in the confidential folder, ask Mara.",
        "Sent via DHL today, the number is 4711.",
        "Unsubscribe me from that list, would you?",
        "You received this message because I trust you.",
        "Отправлено с курьером вчера.",
        "Lähetetty eilen postissa.",
        "This message is confidential, tell nobody but Tom.",
        "Get Outlook fixed please, it hangs again.",
        "Sent from the pharmacy, pick it up at five",
    ],
)
def test_a_sentence_below_the_quotation_is_no_footer(line: str) -> None:
    assert split_history(f"{QUOTED}\nAll done.\n\n{line}\n", subject="Re: Plan", is_reply=True).own == (
        f"All done.\n\n{line}"
    )


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from Yahoo Mail on Android",
        "Sent via the Samsung Galaxy S21, an AT&T 5G smartphone",
        "Get Outlook for iOS <https://aka.ms/o0ukef>",
        "Von meinem Samsung Galaxy Smartphone gesendet.",
        "Gesendet mit der Telekom Mail App",
        "Отправлено из Mail.ru для Android",
        "发自我的iPhone",
        "To unsubscribe from this group, send an email to x+unsubscribe@example.com.",
        "This email and any attachments are confidential and may be privileged.",
    ],
)
def test_footers_are_known(line: str) -> None:
    assert is_footer([line])


@pytest.mark.parametrize("frame", ["appendonsend", "yahoo"])
def test_answers_in_another_colour_are_kept(frame: str) -> None:
    history = 'Which day? <span style="color:red">Friday is best.</span>'
    html = {
        "appendonsend": '<div>My answers below in red.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">'
        "<b>From:</b> Anna &lt;anna@example.com&gt;<br><b>Sent:</b> Monday, November 2, 2026 9:14 AM<br>"
        f"<b>To:</b> Me<br><b>Subject:</b> Plan</div><div>{history}</div>",
        "yahoo": f'<div>My answers below in red.</div><div class="yahoo_quoted">{history}</div>',
    }[frame]
    assert "Friday is best." in choose_body(None, html, subject="Re: Plan", is_reply=True).text


def test_an_attribution_outside_of_its_container_goes_too() -> None:
    html = (
        "<div>Own words.</div><div><br></div><div>On Mon, 2 Nov 2026, at 9:14 AM, Anna Berg wrote:<br></div>"
        '<blockquote type="cite"><div>old</div></blockquote>'
    )
    assert choose_body(None, html, subject="Re: Plan", is_reply=True).text == "Own words."


def test_a_part_that_is_nothing_but_history_goes_where_another_has_words() -> None:
    quoted = "\n> On 2 Nov 2026, at 09:14, Anna <anna@example.com> wrote:\n> \n> old?\n"
    parts = ["Here is the photo.\n", quoted]
    raw = "".join(f"--B\nContent-Type: text/plain; charset=utf-8\n\n{part}\n" for part in parts)
    head = "From: a@example.com\nSubject: Re: Plan\nContent-Type: multipart/mixed; boundary=B\n\n"
    mail = read_mail(f"{head}{raw}--B--\n".encode())
    assert mail.text.strip() == "Here is the photo."
    assert "old?" in mail.history
    assert "old?" in read_mail(f"{head}--B\nContent-Type: text/plain\n\n{quoted}\n--B--\n".encode()).text


STUB = "View this email in your browser (https://news.example.com/a1b2c3)"


def test_a_stub_gives_way_to_what_it_points_to() -> None:
    said = "We moved the meeting to Friday. " * 30
    assert choose_body(STUB, f"<p>{said}</p>").text == said.strip()
    assert (
        choose_body("Fine by me.", "<p>Fine by me.</p><p>Sam</p><p>Example Ltd, Main Street</p>").text == "Fine by me."
    )


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (
            "<pre>def f(x):\n    if x:\n\n        return <b>1</b> + 3\n</pre>",
            "def f(x):\n    if x:\n\n        return 1 + 3",
        ),
        ("<pre><code><span><span>a = 1\n</span></span><span>b = 2\n</span></code></pre>", "a = 1\nb = 2"),
        ('<div style="white-space:pre-wrap">First\nSecond</div>', "First\nSecond"),
        ('<div style="white-space:pre-wrap">\n    <p>First</p>\n    <p>Second</p></div>', "First\n\nSecond"),
        ("<ol><li>open</li><li>push</li></ol><p>Repeat step 2.</p>", "1. open\n2. push\n\nRepeat step 2."),
        ("<ul><li>a<ol start=3><li>x</li><li>y</li></ol></li><li>b</li></ul>", "- a\n  3. x\n  4. y\n- b"),
        ("<ul><li><p>one</p></li></ul>", "- one"),
        ('We come <img alt="👨\u200d👩\u200d👧\u200d👦">', "We come 👨\u200d👩\u200d👧\u200d👦"),
    ],
)
def test_html_says_what_a_reader_sees(html: str, text: str) -> None:
    assert html_to_text(html) == text


FORWARDS = {
    "gmx": 'Gesendet: Montag, 02. November 2026 um 09:14 Uhr\nVon: "Anna Berg" <anna@example.com>\nAn: me@example.com\n'
    "Betreff: Plan B\n\nold words\n",
    "yahoo": "----- Forwarded Message ----- From: Anna Berg <anna@example.com>To: Me <me@example.com>"
    "Sent: Monday, November 2, 2026, 09:14:00 AM GMT+1Subject: Plan B\nold words\n",
    "outlook, Thai": "จาก: Anna Berg <anna@example.com>\nส่ง: วันจันทร์ที่ 2 พฤศจิกายน 2569 9:14\nถึง: Me\nเรื่อง: Plan B\n\nold words\n",
    "zoho": "============ Forwarded message ============\nFrom: Anna Berg <anna@example.com>\nTo: <me@example.com>\n"
    "Date: Mon, 02 Nov 2026 09:14:00 +0100\nSubject: Plan B\n============ Forwarded message ============\n\nold words\n",
    "mutt": "----- Forwarded message from Anna Berg <anna@example.com> -----\n\nDate: Mon, 2 Nov 2026 09:14:00 +0100\n"
    "From: Anna Berg <anna@example.com>\nSubject: Plan B\n\nold words\n\n----- End forwarded message -----\n",
}


@pytest.mark.parametrize("program", FORWARDS)
def test_a_forward_names_its_author_and_subject(program: str) -> None:
    found = forward_of(f"Keep this.\n\n{FORWARDS[program]}")
    assert found is not None
    original = found.original
    assert (original.name, original.address, original.subject) == ("Anna Berg", "anna@example.com", "Plan B")
    assert (found.note, found.text.strip()) == ("Keep this.", "old words")


def test_delsp_takes_one_blank_and_leaves_the_other() -> None:
    head = b"From: a@example.com\nContent-Type: text/plain; charset=us-ascii; delsp=yes; format=flowed\n\n"
    raw = head + b"The red folder and the blue  \nfolder, and Mara  \nbrings the key.\n"
    assert read_mail(raw).text.strip() == "The red folder and the blue folder, and Mara brings the key."


JAPANESE = "議題は次の通りです。"


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (JAPANESE.encode("iso2022_jp") + b"\x1b$B\x2d\x21\x2d\x6a\x1b(B", "ISO-2022-JP", f"{JAPANESE}①㈱"),
        (JAPANESE.encode("iso2022_jp") + b"\x1b(I\x36\x32\x37\x1b(B", "iso-2022-jp", f"{JAPANESE}ｶｲｷ"),
        (b"\x1b$B\x7c\x62\x1b(B\n\x1b$B\x7c", "iso-2022-jp", "髙\n"),
        (JAPANESE.encode("cp932"), "Windows-31J", JAPANESE),
        (JAPANESE.encode("cp932"), "x-sjis", JAPANESE),
        (JAPANESE.encode("euc_jp"), "x-euc-jp", JAPANESE),
        ("привет".encode("cp1251"), "win-1251", "привет"),
        ("привет".encode("cp1251"), "x-windows-1251", "привет"),
        ("Müller – Привет".encode(), "windows-1252", "Müller – Привет"),
        ("Müller".encode("cp1252"), "windows-1252", "Müller"),
        ("會議".encode("big5"), "big5", "會議"),
        (b"plain", "utf-16", "plain"),
        (JAPANESE.encode(), "iso-2022-jp", JAPANESE),
    ],
)
def test_charsets_as_they_are_labelled(data: bytes, label: str, text: str) -> None:
    assert decode(data, label) == text
