"""A server that remembers what it was sent: an operator's webhook, a notification service, a monitor."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Got:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`with Receiver() as receiver`; it answers `status`."""

    got: list[Got] = field(default_factory=list)
    status: int = 200
    answers: dict[str, bytes] = field(default_factory=dict)
    """Path, without its query, to a body."""

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Got(self.command, self.path, headers, body))
                self.send_response(receiver.status)
                said = receiver.answers.get(self.path.partition("?")[0], b"")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = _answer  # noqa: N815 - named by the base class

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def at(self, path: str) -> list[Got]:
        return [each for each in self.got if each.path.startswith(path)]
