"""`python -m benchmarks.stub PORT LATENCY_MS [CERTIFICATE]`: an Omi that costs next to nothing, in bare asyncio.

Answers every POST with 200 `{}` after the latency. A uid named `wait-<seconds>-…` is told 429 with that Retry-After the
first time; after `GET /refuse/on` everybody is. `GET /seen` gives, in the order of arrival, [time, uid, status] of every
call, `GET /count` how many there were.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time

_UID = re.compile(rb"uid=([^& ]+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
seen: list[tuple[float, str, int]] = []
refused: set[str] = set()
refusing = False


def _answer(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, len(body), more) + body


def _told(line: bytes) -> bytes:
    global refusing
    if line.startswith(b"GET /seen"):
        return _answer(json.dumps({"seen": seen}).encode())
    if line.startswith(b"GET /count"):
        return _answer(json.dumps({"count": len(seen)}).encode())
    if line.startswith(b"GET /refuse/"):
        refusing = line.startswith(b"GET /refuse/on")
        return _answer(b"{}")
    return _answer(b'{"conversations": [], "memories": []}')


def _decide(line: bytes) -> bytes:
    if not line.startswith(b"POST"):
        return _told(line)
    found = _UID.search(line)
    uid = found.group(1).decode() if found else "?"
    waits = uid.startswith("wait-") and uid not in refused
    if refusing or waits:
        refused.add(uid)
        seen.append((time.time(), uid, 429))
        seconds = uid.split("-")[1].encode() if waits else b"60"
        return _answer(b'{"detail": "x"}', b"429 Too Many Requests", b"Retry-After: %s\r\n" % seconds)
    seen.append((time.time(), uid, 200))
    return _answer(b"{}")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if length:
                await reader.readexactly(int(length.group(1)))
            line = head.split(b"\r\n", 1)[0]
            answer = _decide(line)
            if latency and line.startswith(b"POST"):
                await asyncio.sleep(latency)
            writer.write(answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main(port: int, latency: float, certificate: str | None = None) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(
        lambda r, w: _serve(r, w, latency), "127.0.0.1", port, backlog=1024, ssl=context
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000, *sys.argv[3:]))
