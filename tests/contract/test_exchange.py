"""Answers by rule, in pieces of any size: what is read is what urllib3 reads over `http.client`."""

from __future__ import annotations

import gzip
import random
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
import urllib3

from integration_app.omi.answers import from_response
from integration_app.omi.errors import OmiError, OutcomeUnknown, RateLimited
from integration_app.omi.wire.transport import Transport

BODIES = [b"{}", b'{"a": "' + "ü".encode() * 40_000 + b'"}', b"", b"[1, 2]", b"<html>no</html>", b'{"detail": "no"}']
STATUSES = [200, 200, 200, 201, 204, 301, 400, 401, 404, 429, 500, 503]


class Raw:
    """Sends what it is told, in pieces, to each request; then closes, if it is told that."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.answer, self.pieces, self.then_close = b"", [1], True
        self.pause = 0.0
        self.connections = self.closed = self.served = 0
        self.heads: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def wait(self, name: str, count: int) -> None:
        """Until so many connections are `closed`, or requests `served` to the last byte: loopback has it then."""
        until = time.monotonic() + 30
        while getattr(self, name) < count:
            assert time.monotonic() < until, name
            time.sleep(0.001)

    def _serve(self, caller: socket.socket) -> None:
        try:
            self._serve_all(caller)
        finally:
            self.closed += 1

    def _serve_all(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while head := self._head(caller):
                self.heads.append(head)
                rest, is_last = self.answer, self.then_close  # the test goes on as soon as it has the answer
                for size in self.pieces:
                    caller.sendall(rest[:size])
                    time.sleep(self.pause)
                    rest = rest[size:]
                caller.sendall(rest)
                self.served += 1
                if is_last:
                    return

    @staticmethod
    def _head(caller: socket.socket) -> bytes:
        got = b""
        while b"\r\n\r\n{}" not in got:
            piece = caller.recv(65536)
            if not piece:
                return b""
            got += piece
        return got


@pytest.fixture
def raw() -> Iterator[Raw]:
    server = Raw()
    yield server
    server.close()


def _answer(rng: random.Random) -> tuple[bytes, bool]:
    """An answer, and whether the server closes behind it."""
    body, status = rng.choice(BODIES), rng.choice(STATUSES)
    head = [f"HTTP/1.1 {status} {rng.choice(['OK', '', 'Sö so'])}".encode("latin-1")]
    head += rng.sample([b"Content-Type: application/json", b"X-RateLimit-Limit: 10", b"retry-AFTER:  3 ", b"X: ", b"Set-Cookie: a=b; c", b"Set-Cookie: d"], 3)  # fmt: skip
    closes = rng.random() < 0.5
    packing = rng.choice(["", "", "", "gzip", "deflate"])
    if packing and status != 204:
        body = gzip.compress(body, mtime=0) if packing == "gzip" else zlib.compress(body)
        head.append(b"Content-Encoding: " + packing.encode())
    framing = "none" if status == 204 else rng.choice(["length", "length", "chunks", "end"])
    if framing == "length":
        head.append(b"Content-Length: %d" % len(body))
    elif framing == "chunks":
        head.append(b"Transfer-Encoding: chunked")
        body = _in_chunks(body, rng)
    elif framing == "end":
        closes = True
    if closes and rng.random() < 0.5:
        head.append(b"Connection: close")
    before = b"HTTP/1.1 100 Continue\r\n\r\n" if rng.random() < 0.1 else b""
    return before + b"\r\n".join(head) + b"\r\n\r\n" + (b"" if status == 204 else body), closes


def _in_chunks(body: bytes, rng: random.Random) -> bytes:
    out = b""
    while body:
        size = rng.choice([1, 7, 4096, 70_000])
        part, body = body[:size], body[size:]
        out += b"%X%s\r\n%s\r\n" % (len(part), rng.choice([b"", b";x=y"]), part)
    return out + b"0\r\n" + rng.choice([b"", b"Trailer: x\r\n"]) + b"\r\n"


def _as_urllib3(port: int) -> object:
    with urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=5) as pool:
        try:
            answer = pool.urlopen("POST", "/x", b"{}", {"Content-Length": "2"}, retries=False, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError):
            return OutcomeUnknown
        return _meaning(lambda: from_response(answer.status, answer.headers, answer.data))


def _meaning(read: object) -> object:
    try:
        return read()  # type: ignore[operator]
    except OmiError as error:
        return type(error)


@pytest.mark.parametrize("seed", range(8))
def test_answers_are_read_as_urllib3_reads_them(seed: int, raw: Raw) -> None:
    rng = random.Random(f"answers {seed}")  # noqa: S311 - no secret
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", read_timeout=5)
    for _ in range(25):
        raw.answer, raw.then_close = _answer(rng)
        raw.pieces = rng.choices([1, 2, 17, 300, 5000], k=rng.randrange(6))
        is_cut = rng.random() < 0.2
        if is_cut:  # it breaks off; within the head http.client would not mind
            head = raw.answer.rindex(b"\r\n\r\n", 0, 600) + 4
            raw.answer, raw.then_close = raw.answer[: rng.randint(head, len(raw.answer))], True
        wanted = _as_urllib3(raw.port)
        found = _meaning(lambda: transport.call("POST", "/x", json={}))
        if is_cut and b"Content-Encoding" in raw.answer and found is OutcomeUnknown:
            wanted = found  # urllib3 takes what was compressed and cut off for all of it
        assert found == wanted, (seed, raw.answer[:300], raw.pieces)
        if raw.then_close:
            transport.close()  # else the next request may overtake the news of it
    transport.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: " + b"x" * 66_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 600_000,
        b"",
    ],
)
def test_what_is_no_answer_leaves_the_outcome_unknown(answer: bytes, raw: Raw) -> None:
    raw.answer = answer
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", read_timeout=5)
    with pytest.raises(OutcomeUnknown):
        transport.call("POST", "/x", json={})
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert transport.call("POST", "/x", json={}) == {}, "the next call has a connection of its own"
    transport.close()


@pytest.mark.parametrize("behind", [b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}', b"garbage\r\n\r\n"])
def test_what_comes_behind_an_answer_is_never_taken_for_the_next(behind: bytes, raw: Raw) -> None:
    raw.then_close = False
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + behind
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", read_timeout=5)
    assert [transport.call("POST", "/x", json={}) for _ in range(3)] == [{}] * 3
    assert raw.connections == 3
    raw.pieces = [len(raw.answer) - len(behind)]  # it comes later, perhaps while the connection is idle
    assert transport.call("POST", "/x", json={}) == {}
    raw.wait("served", 4)
    assert transport.call("POST", "/x", json={}) == {}
    transport.close()


def test_gzip_in_several_pieces_and_what_stands_behind_the_body(raw: Raw) -> None:
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", read_timeout=5)
    head = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n%s\r\n"
    body = gzip.compress(b'{"a":') + gzip.compress(b" 1}")
    raw.answer = head % (b"200 OK", b"Content-Encoding: gzip\r\n") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert transport.call("POST", "/x", json={}) == {"a": 1}
    raw.answer = head % (b"200 OK", b"") + b"2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\nX-RateLimit-Limit: 7\r\n\r\n"
    assert transport.call("POST", "/x", json={}) == {}
    assert transport.rate_limit is None
    raw.answer = head % (b"429 No", b"Retry-After: 3\r\n") + b"2\r\n{}\r\n0\r\nRetry-After: 9\r\n\r\n"
    with pytest.raises(RateLimited) as refused:
        transport.call("POST", "/x", json={})
    assert refused.value.retry_after == 3
    transport.close()


def test_a_deadline_is_not_the_end_of_an_answer(raw: Raw) -> None:
    """Without a length the end of the connection is that of the answer, and the deadline ends the connection."""
    raw.answer = b"HTTP/1.1 200 OK\r\n\r\n{}" + b" " * 40
    raw.pieces, raw.pause = [21, *[1] * 40], 0.1
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", connect_timeout=0.5, read_timeout=0.5)
    with pytest.raises(OutcomeUnknown):
        transport.call("POST", "/x", json={})
    transport.close()


def test_an_address_with_a_query_is_refused_and_a_login_in_it_goes_nowhere(raw: Raw) -> None:
    with pytest.raises(ValueError, match="path"):
        Transport("http://127.0.0.1:1/base?x=1", "sk_made_up")
    raw.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    transport = Transport(f"http://user:secret@127.0.0.1:{raw.port}/base", "sk_made_up", read_timeout=5)
    assert transport.call("POST", "/x", json={}) == {}
    assert b"secret" not in raw.heads[-1]
    assert raw.heads[-1].startswith(b"POST /base/x HTTP/1.1\r\n")
    transport.close()


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_not_used(raw: Raw) -> None:
    raw.answer, raw.then_close = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", False
    transport = Transport(f"http://127.0.0.1:{raw.port}", "sk_made_up", read_timeout=5)
    for _ in range(3):
        transport.call("POST", "/x", json={})
    assert raw.connections == 1
    raw.then_close = True
    transport.call("POST", "/x", json={})
    raw.wait("closed", 1)
    transport.call("POST", "/x", json={})
    assert raw.connections == 2
    head = raw.heads[-1].decode()
    assert head.startswith("POST /x HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{raw.port}\r\n" in head
    transport.close()


def test_a_key_that_would_add_a_line_to_the_request_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        Transport("http://127.0.0.1:1", "sk_made_up\r\nX-Other: 1")
