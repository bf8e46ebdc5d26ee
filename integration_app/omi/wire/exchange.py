"""A request and its answer on a connection of urllib3's. Its own way over `http.client` costs three times as much.

urllib3 still connects, through proxies and TLS, keeps the connections and says what went wrong; here the request leaves
in one piece, and llhttp reads the answer.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ProtocolError

HEAD_MAX_BYTES = 256 * 1024
RAW_MAX_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 16 * 1024
_EITHER_OF_GZIP_AND_DEFLATE = zlib.MAX_WBITS | 32


class Exchange(HTTPConnection):
    """`request` wants complete headers, `Host` and `Content-Length` included, and checks none of them."""

    def request(  # type: ignore[override]
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(self.timeout)
        lines = "".join([f"{name}: {value}\r\n" for name, value in (headers or {}).items()])
        self._send(f"{method} {url} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (body or b""))

    def _send(self, request: bytes) -> None:
        self.sock.sendall(request)

    @property
    def is_connected(self) -> bool:
        """Whether the other end has neither closed the idle connection nor sent what nobody asked for."""
        if self.sock is None:
            return False
        try:
            self.sock.settimeout(0)
            socket.socket.recv(plain(self.sock), 1, socket.MSG_PEEK)  # also under TLS, where recv knows no flags
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def getresponse(self) -> Answer:  # type: ignore[override]
        self.sock.settimeout(self.timeout)
        answer = Answer(self)
        answer.read_head()
        return answer


def plain(sock: Any) -> socket.socket:
    """What lies below TLS within TLS, as behind an https:// proxy; else the socket itself."""
    found: socket.socket = getattr(sock, "socket", sock)
    return found


class Answer:
    """`status` and `headers` (names in lower case) of an answer; its body comes in pieces."""

    retries: Any
    _pool: Any
    _connection: Any
    version_string = "HTTP/1.1"
    length_remaining = None

    def __init__(self, connection: Exchange) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._on = connection
        self._socket: socket.socket = connection.sock
        self._parser: Any = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._read = 0
        self._has_head = self._is_complete = self._may_follow = False
        self._unpack: Any = None

    # --- what the reader asks -----------------------------------------------------------------------------

    @property
    def is_framed(self) -> bool:
        """Whether it says itself where it ends; else the end of the connection is taken for it."""
        return bool({"content-length", "transfer-encoding"} & self.headers.keys())

    def read_head(self) -> None:
        while not self._has_head:
            if self._read > HEAD_MAX_BYTES:
                raise ProtocolError("the head of the answer has no end")
            self._receive()

    def read(self) -> bytes:
        """What has come of the body, decompressed, at most some megabytes; waits for more; empty at its end."""
        while True:
            if self._pieces:
                if piece := self._decoded(self._pieces.pop(0)):
                    return piece
            elif self._is_complete:
                if self._unpack is not None:
                    raise ProtocolError("the compressed answer is cut off")
                return b""
            else:
                self._receive()

    def release_conn(self) -> None:
        """Give the connection back, once; closed, unless the answer was read to its end and another may follow."""
        self._parser = None  # it knows its callbacks: a cycle otherwise
        if not (self._is_complete and self._may_follow):
            self._on.close()
        self._pool._put_conn(self._connection)

    def _receive(self) -> None:
        piece = self._socket.recv(PIECE_BYTES)
        self._read += len(piece)
        if self._read > RAW_MAX_BYTES:
            raise ProtocolError("the answer has no end")
        if not piece:
            if not self._has_head or self.is_framed:
                raise ProtocolError("the connection was closed before the answer was complete")
            self._is_complete, self._may_follow = True, False  # the end of the connection is that of the answer
            return
        try:
            self._parser.feed_data(piece)
        except (HttpParserError, HttpParserUpgrade):
            if not self._is_complete:
                raise ProtocolError("the answer is not HTTP") from None
            self._may_follow = False  # what came behind it belongs to no request

    def _decoded(self, piece: bytes) -> bytes:
        encodings = {word.strip() for word in self.headers.get("content-encoding", "").lower().split(",")}
        if encodings <= {"", "identity"}:
            return piece
        if encodings not in ({"gzip"}, {"x-gzip"}, {"deflate"}):
            raise ProtocolError("the answer is encoded in a way that was not asked for")
        if self._unpack is None:
            self._unpack = zlib.decompressobj(_EITHER_OF_GZIP_AND_DEFLATE)
        try:
            found: bytes = self._unpack.decompress(piece, 1024 * PIECE_BYTES)
        except zlib.error:
            raise ProtocolError("the answer cannot be decompressed") from None
        if rest := self._unpack.unconsumed_tail or self._unpack.unused_data:
            self._pieces.insert(0, rest)
        if self._unpack.eof:
            self._unpack = None  # another member may follow
        return found

    # --- what the parser tells ----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise ValueError("a second answer")
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            return  # a trailer: it says nothing that a header may say
        key, said = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {said}" if key in self.headers else said

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200  # anything below announces the answer proper

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = self._has_head
        self._may_follow = self._parser.should_keep_alive()  # it forgets as soon as this returns
