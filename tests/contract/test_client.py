"""The client against the sandbox: every call, every meaning of what can go wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from integration_app.omi import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    Geolocation,
    IntegrationsClient,
    InvalidRequest,
    NewConversation,
    NewMemories,
    NewMemory,
    OmiError,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    conversation_body,
    memories_body,
)
from tests.sandbox_control import SandboxControl

WHEN = datetime(2026, 11, 20, 8, 0, 0, 42, tzinfo=UTC)
HELLO = NewConversation(text="Me: Hello", text_source="message", text_source_spec="sms", started_at=WHEN)


@pytest.fixture
def client(sandbox: SandboxControl) -> Iterator[IntegrationsClient]:
    sandbox.enable("u")
    made = IntegrationsClient(
        sandbox.app_id, sandbox.api_key, base_url=sandbox.url, connect_timeout=1, read_timeout=0.5
    )
    yield made
    made.close()


def test_a_conversation_goes_and_comes_back(client: IntegrationsClient) -> None:
    client.create_conversation(
        "u",
        NewConversation(
            text="Me: Hello",
            text_source="message",
            text_source_spec="sms",
            started_at=WHEN,
            finished_at=WHEN + timedelta(seconds=5),
            language="pt",
            geolocation=Geolocation(38.7, -9.1),
        ),
    )
    (found,) = client.conversations("u")
    assert (found.started_at, found.created_at, found.text) == (WHEN, WHEN, "Me: Hello")
    assert found.finished_at == WHEN + timedelta(seconds=5)
    assert (found.language, found.source, found.title) == ("pt", "external_integration", "Hello")
    assert found.geolocation == {"latitude": 38.7, "longitude": -9.1}


def test_memories_go_and_come_back(client: IntegrationsClient) -> None:
    client.create_memories("u", NewMemories(memories=(NewMemory("Likes tea", tags=("food",), source_id="SM1"),)))
    client.create_memories("u", NewMemories(text="The flight to Paris is confirmed.", text_source="email"))
    found = {memory.content: memory.tags for memory in client.iter_memories("u")}
    assert found == {"Likes tea": ("food",), "The flight to Paris is confirmed.": ()}


def test_explicit_memories_carry_a_null_text() -> None:
    assert memories_body(NewMemories(memories=(NewMemory("x"),)))["text"] is None


def test_what_is_not_set_is_not_sent() -> None:
    assert set(conversation_body(NewConversation(text="x", text_source="message"))) == {"text", "text_source"}


def test_a_notification(client: IntegrationsClient, sandbox: SandboxControl) -> None:
    client.notify("u", "123456 is your code")
    with pytest.raises(AppNotEnabled):
        client.notify("stranger", "x")
    for _ in range(9):
        client.notify("u", "x")
    with pytest.raises(RateLimited) as caught:
        client.notify("u", "x")
    assert caught.value.retry_after is not None


def test_pages_are_followed_to_the_end(client: IntegrationsClient) -> None:
    for number in range(7):
        client.create_conversation("u", NewConversation(text=str(number), text_source="other_text"))
    assert len({row.id for row in client.iter_conversations("u", page=3)}) == 7


def test_pages_survive_insertions(client: IntegrationsClient, sandbox: SandboxControl) -> None:
    sandbox.boost(100)
    for number in range(6):
        moment = WHEN + timedelta(minutes=number)
        client.create_conversation("u", NewConversation(text=f"old {number}", text_source="message", started_at=moment))
    seen = []
    for number, row in enumerate(client.iter_conversations("u", page=2)):
        seen.append(row.text)
        if number == 1:
            for late in range(3):  # more than a page: the next one brings nothing new at all
                moment = WHEN + timedelta(hours=1 + late)
                client.create_conversation("u", NewConversation(text="new", text_source="message", started_at=moment))
    assert sorted(text for text in seen if text and text.startswith("old")) == [f"old {n}" for n in range(6)]


def test_filters(client: IntegrationsClient) -> None:
    for day in (18, 19, 20):
        moment = WHEN.replace(day=day)
        client.create_conversation("u", NewConversation(text=str(day), text_source="message", started_at=moment))
    window = client.conversations("u", start=WHEN.replace(day=19), end=WHEN.replace(day=19))
    assert [row.text for row in window] == ["19"]
    assert client.conversations("u", statuses=["processing"], include_discarded=True) == []
    assert len(client.conversations("u", statuses=["processing", "completed"])) == 3


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        ("rate_limited", RateLimited),
        ("rate_limited_object", RateLimited),
        ("error_before", OutcomeUnknown),
        ("error_plain", OutcomeUnknown),
        ("error_after", OutcomeUnknown),
        ("timeout_after", OutcomeUnknown),
        ("unavailable", Unavailable),
        ("drop_before", OutcomeUnknown),
        ("drop_after", OutcomeUnknown),
        ("slow", OutcomeUnknown),
    ],
)
def test_faults_have_a_meaning(
    client: IntegrationsClient, sandbox: SandboxControl, fault: str, meaning: type[OmiError]
) -> None:
    sandbox.fault(fault, seconds=1.0)
    with pytest.raises(OmiError) as caught:
        client.create_conversation("u", HELLO)
    assert type(caught.value) is meaning
    assert len(sandbox.calls("create_conversation")) <= 1, "one attempt per call"


def test_refusals_have_a_meaning(client: IntegrationsClient, sandbox: SandboxControl) -> None:
    with pytest.raises(AppNotEnabled):
        client.create_conversation("stranger", HELLO)
    sandbox.app(actions=[])
    with pytest.raises(AppMisconfigured):
        client.create_conversation("u", HELLO)
    sandbox.app(api_keys=["sk_another"])
    for refused in (
        lambda: client.create_conversation("u", HELLO),
        lambda: client.create_memories("u", NewMemories(text="x")),
        lambda: client.conversations("u"),
        lambda: client.memories("u"),
        lambda: client.notify("u", "x"),
    ):
        with pytest.raises(BadCredentials):
            refused()


def test_an_invalid_request_names_the_field_and_not_the_words(client: IntegrationsClient) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.create_conversation("u", {"text": "private words", "text_source": "private words"})
    assert caught.value.fields == ("body.text_source",)
    assert "private words" not in str(vars(caught.value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: NewConversation(text=" ", text_source="message"),
        lambda: NewConversation(text="x" * 100_001, text_source="message"),
        lambda: NewConversation(text="x", text_source="email"),
        lambda: NewConversation(text="x", text_source="message", started_at=datetime(2026, 1, 1)),  # noqa: DTZ001
        lambda: NewConversation(text="x", text_source="message", started_at=WHEN, finished_at=WHEN - timedelta(1)),
        lambda: NewMemory(""),
        lambda: NewMemories(),
        lambda: NewMemories(text="x", text_source="message"),
        lambda: Geolocation(91, 0),
        lambda: Geolocation(0, 181),
    ],
)
def test_what_omi_would_refuse_is_refused_before_the_call(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = IntegrationsClient("app", "key", base_url=f"http://127.0.0.1:{port}", connect_timeout=1, read_timeout=1)
    with pytest.raises(Unreachable):
        client.create_conversation("u", HELLO)


def test_no_such_host() -> None:
    client = IntegrationsClient("app", "key", base_url="http://nowhere.invalid", connect_timeout=1, read_timeout=1)
    with pytest.raises(Unreachable):
        client.create_conversation("u", HELLO)


def test_a_handshake_that_breaks_has_sent_nothing(sandbox: SandboxControl) -> None:
    client = IntegrationsClient("app", "key", base_url=sandbox.url.replace("http:", "https:"), read_timeout=1)
    with pytest.raises(Unreachable):
        client.create_conversation("u", HELLO)


class OneAnswer:
    """A server that answers every connection with the same bytes, slowly if asked; for answers no sandbox gives."""

    def __init__(self, answer: bytes, drip: float = 0.0) -> None:
        self._answer, self._drip = answer, drip
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    for number in range(0, len(self._answer), 40 if self._drip else 1 << 30):
                        connection.sendall(self._answer[number : number + (40 if self._drip else 1 << 30)])
                        threading.Event().wait(self._drip)
                except OSError:
                    pass

    def close(self) -> None:
        self._socket.close()


def answered(answer: bytes, drip: float = 0.0) -> OmiError:
    server = OneAnswer(answer, drip)
    client = IntegrationsClient("app", "key", base_url=server.url, connect_timeout=0.5, read_timeout=0.5)
    try:
        with pytest.raises(OmiError) as caught:
            client.create_conversation("u", HELLO)
    finally:
        server.close()
        client.close()
    return caught.value


def test_a_redirect_is_not_followed() -> None:
    error = answered(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(error, UnexpectedAnswer)


def test_an_answer_that_is_no_http_is_an_unknown_outcome() -> None:
    assert isinstance(answered(b"SSH-2.0-x\r\n\r\n"), OutcomeUnknown)


def test_an_answer_cut_short_is_an_unknown_outcome() -> None:
    assert isinstance(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), OutcomeUnknown)


def test_an_answer_that_only_drips_ends_at_the_deadline() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40000\r\n\r\n"
    began = time.monotonic()
    assert isinstance(answered(head + b" " * 40000, drip=0.05), OutcomeUnknown)
    assert time.monotonic() - began < 10, "it would drip for 50 s"


def test_a_list_of_another_form_is_unexpected(sandbox: SandboxControl) -> None:
    server = OneAnswer(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"conversations": [1]}')
    client = IntegrationsClient("app", "key", base_url=server.url, read_timeout=1)
    with pytest.raises(OmiError):
        client.conversations("u")
    server.close()
    client.close()


def test_the_seeds_shape_of_a_conversation_is_understood() -> None:
    body = (
        b'{"conversations":[{"id":"c","created_at":"2026-11-20T08:00:00+00:00","text":"Full text","structured":null}]}'
    )
    server = OneAnswer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    client = IntegrationsClient("app", "key", base_url=server.url, read_timeout=1)
    (found,) = client.conversations("u")
    assert (found.text, found.title) == ("Full text", "")
    server.close()
    client.close()


def test_the_key_never_shows(sandbox: SandboxControl) -> None:
    client = IntegrationsClient("app", "sk_very_secret", base_url=sandbox.url)
    with pytest.raises(BadCredentials) as caught:
        client.create_conversation("u", HELLO)
    assert "sk_very_secret" not in f"{client!r} {client._transport!r} {caught.value!r}"
