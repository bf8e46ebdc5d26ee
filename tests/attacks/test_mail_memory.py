"""One mail of twenty megabytes takes a bounded piece of a worker's memory, whatever is in it (795 MB before)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPO

HEAD = rb"From: a@example.com\r\nSubject: x\r\nContent-Type: %s\r\n\r\n"
PARTS = rb"multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: %s"
CASES = {
    "line breaks": (b"text/plain", rb"\r\n", 10_000_000),
    "one line": (b"text/plain", b"x", 20_000_000),
    "quotes": (b"text/plain", rb"> quoted words\r\n", 1_250_000),
    "elements": (b"text/html", b"<p>x</p>", 2_500_000),
    "nested": (b"text/html", b"<div>", 4_000_000),
    "entities": (b"text/html", b"&amp;", 4_000_000),
    "one line in a part": (PARTS % b"text/plain", b"x", 20_000_000),
    "one line of HTML in a part": (PARTS % b"text/html", b"x", 20_000_000),
    "one line of base64 in a part": (
        PARTS % rb"application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64",
        b"QUJD",
        5_000_000,
    ),
    "events": (b"text/calendar", rb"BEGIN:VEVENT\r\nSUMMARY:x\r\nEND:VEVENT\r\n", 500_000),
}
PROGRAM = """
import resource
from integration_app.mail.mime import read_mail
raw = b"{head}" + b"{piece}" * {count}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_mail(raw)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", CASES)
def test_memory_of_a_mail_is_bounded(name: str) -> None:
    kind, piece, count = CASES[name]
    program = PROGRAM.format(head=(HEAD % kind).decode(), piece=piece.decode(), count=count)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150
