"""The wire, against a real TLS server with a certificate authority of its own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.certificates import make
from integration_app.omi.errors import OutcomeUnknown, Unreachable
from integration_app.omi.wire import transport as transport_module
from integration_app.omi.wire.transport import Transport

SLOTS, CALLS = 16, 10_000


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    connections = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is what some of these tests are about."""

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/drips"):
            for _ in range(300):
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.1)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        return


@pytest.fixture
def omi(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A TLS server on loopback, and the file of the authority that signed its certificate."""
    authority = make(tmp_path)
    server = Server(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, authority
    server.shutdown()
    thread.join()
    server.server_close()


def test_there_are_no_more_connections_than_slots_and_certificates_are_read_once(
    omi: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = omi
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    transport = Transport(f"https://127.0.0.1:{server.server_port}", "sk_made_up", connections=SLOTS)
    reads: list[object] = []
    before = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, *args: Any, **how: Any) -> None:
        reads.append(args)
        before(self, *args, **how)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    with ThreadPoolExecutor(SLOTS) as pool:
        answers = list(pool.map(lambda n: transport.call("POST", "/x", json={"n": n}), range(CALLS)))
    transport.close()
    assert answers == [{}] * CALLS
    assert 1 <= server.connections <= SLOTS
    assert reads == []


def test_a_proxy_that_only_drips_is_cut_off_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer to CONNECT is read before there is a request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):
            caller, _ = listener.accept()
            with caller:
                for _ in range(300):
                    caller.sendall(b"H")
                    time.sleep(0.1)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    transport = Transport("https://omi.example.com", "sk_made_up", connect_timeout=0.5, read_timeout=0.5)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        transport.call("POST", "/x", json={})
    assert time.monotonic() - began < 10, "it would have dripped for half a minute"
    transport.close()
    thread.join(5)
    listener.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_headers_that_only_drip_are_cut_off_at_the_deadline(
    scheme: str, omi: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No single read takes long, so no read time-out would ever end this."""
    server, authority = omi
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    plain = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    if scheme == "http":
        server = plain
    transport = Transport(
        f"{scheme}://127.0.0.1:{server.server_port}", "sk_made_up", connect_timeout=0.5, read_timeout=0.5
    )
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        transport.call("POST", "/drips", json={})
    assert time.monotonic() - began < 10, "the answer would have dripped for half a minute"
    assert transport.call("POST", "/x", json={}) == {}, "the next call has a connection of its own"
    transport.close()
    plain.shutdown()
    plain.server_close()


def test_a_certificate_of_nobodys_is_refused_and_nothing_was_sent(omi: tuple[Server, Path]) -> None:
    server, _ = omi
    transport = Transport(f"https://127.0.0.1:{server.server_port}", "sk_made_up")
    with pytest.raises(Unreachable, match="not trusted"):
        transport.call("POST", "/x", json={})
    transport.close()


def test_a_certificate_for_another_name_is_refused(omi: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, authority = omi
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    transport = Transport(f"https://localhost:{server.server_port}", "sk_made_up")
    with pytest.raises(Unreachable, match="not trusted"):
        transport.call("POST", "/x", json={})
    transport.close()


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    transport = Transport("https://omi.example.com", "sk_made_up", connect_timeout=2)
    with pytest.raises(Unreachable, match="proxy"):
        transport.call("POST", "/x", json={})
    transport.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 O", b"\0garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_proxy_that_leads_nowhere_has_sent_nothing(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs up where CONNECT should be answered, within the answer, or where the handshake should begin."""
    listener = socket.create_server(("127.0.0.1", 0))

    def proxy() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.recv(65536)
            caller.sendall(answer)

    thread = threading.Thread(target=proxy, daemon=True)
    thread.start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("no_proxy", "")
    transport = Transport("https://omi.example.com", "sk_made_up", connect_timeout=2, read_timeout=2)
    with pytest.raises(Unreachable):
        transport.call("POST", "/x", json={})
    transport.close()
    thread.join(5)
    listener.close()


def test_nothing_is_sent_when_connecting_took_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    server, answers = Server(("127.0.0.1", 0), Answers), socket.getaddrinfo
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def late(*asked: Any, **how: Any) -> Any:
        time.sleep(0.5)
        return answers(*asked, **how)

    transport = Transport(f"http://localhost:{server.server_port}", "sk_made_up", connect_timeout=0.2, read_timeout=0.2)
    monkeypatch.setattr(socket, "getaddrinfo", late)
    with pytest.raises(Unreachable):
        transport.call("POST", "/x", json={})
    monkeypatch.undo()
    transport.close()
    server.shutdown()
    server.server_close()


def test_the_deadline_of_a_call_holds_when_its_client_is_closed_meanwhile() -> None:
    server = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    transport = Transport(f"http://127.0.0.1:{server.server_port}", "sk_made_up", connect_timeout=1, read_timeout=1)
    closing = threading.Timer(0.3, transport.close)
    closing.start()
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        transport.call("POST", "/drips", json={})
    assert time.monotonic() - began < 15, "the answer would have dripped for half a minute"
    closing.join()
    server.shutdown()
    server.server_close()


def test_a_fork_takes_no_connection_of_its_parent(omi: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    server, authority = omi
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    transport = Transport(f"https://127.0.0.1:{server.server_port}", "sk_made_up")
    transport.call("POST", "/x", json={})
    before = transport._connections
    transport_module._begin_all()  # what a child does first; a fork beside threads is no thing for a test
    assert transport._connections is None
    assert transport.call("POST", "/x", json={}) == {}
    assert server.connections == 2
    assert before is not None
    transport.close()
