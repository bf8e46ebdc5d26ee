"""What operators' endpoints are told: signed, once each where all goes well, tried again where not, and nowhere else."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import pytest
from redis import Redis
from standardwebhooks import Webhook

from integration_app.bootstrap import Services
from integration_app.model import GateScope, Reason, Retry, Tell
from integration_app.model.webhook_events import Endpoint, EventType
from integration_app.operations.alerting.channels import Undelivered
from integration_app.pipeline.webhooks import safe_http
from integration_app.pipeline.webhooks.dispatch import Dispatch
from integration_app.pipeline.webhooks.safe_http import Answered, Refused, check_url, is_allowed, post
from integration_app.pipeline.webhooks.schedule import AFTER, again_at, rest, retry_after
from integration_app.store import codec, keys
from integration_app.web.app import create_app
from tests.conftest import START, Cli, Clock
from tests.integration.helpers import link, run_to_rest, text
from tests.sandbox_control import SandboxControl
from workers.jobs import run_due
from workers.rq_protocol import RqProtocol

HERE = "127.0.0.0/8"


class Receiver:
    """An operator's own server; `answers` decides, `got` remembers headers and bodies."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: Callable[[int], tuple[int, dict[str, str]]] = lambda number: (200, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = outer.answers(len(outer.got))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    @property
    def types(self) -> list[str]:
        return [row["type"] for row in self.told]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def found(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    services = build(WEBHOOK_PRIVATE_NETWORKS=HERE)
    sandbox.enable("u")
    link(services, "u")
    return services


def add(services: Services, url: str, *events: EventType) -> tuple[Endpoint, str]:
    return services.endpoints.add(url, events, now=services.clock())


def told(services: Services, endpoint: Endpoint) -> None:
    services.dispatch.run(endpoint.id)


def now_of(services: Services, endpoint: Endpoint) -> Endpoint:
    row = services.endpoints.get(endpoint.id)
    assert row is not None
    return row


def test_the_life_of_a_message_is_told_and_signed_as_the_standard_wants(
    found: Services, sandbox: SandboxControl, clock: Clock, receiver: Receiver
) -> None:
    endpoint, secret = add(found, receiver.url)
    message = text(found, "a secret word")
    told(found, endpoint)
    run_to_rest(found, clock)
    told(found, endpoint)
    assert receiver.types == ["message.accepted", "message.delivered"]
    data = {"uid": "u", "message": message, "provider": "any", "channel": "sms"}
    assert [row["data"] for row in receiver.told] == [data, data]
    assert receiver.told[0]["timestamp"] == START.isoformat().replace(".123456", ".123000")
    assert not any(b"secret word" in body for _, body in receiver.got)
    import time_machine

    for headers, body in receiver.got:
        with time_machine.travel(datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC), tick=False):
            Webhook(secret).verify(body, headers)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 2


def test_held_parked_linked_and_left_are_told(
    found: Services, sandbox: SandboxControl, clock: Clock, receiver: Receiver
) -> None:
    endpoint, _ = add(found, receiver.url)
    link(found, "v", phone="+15550002222")
    link(found, "v", phone="+15550002222")  # it was already
    installation = found.installations.get("u")
    assert installation is not None
    found.installations.prefer("u", replace(installation.preferences, senders=("a@example.com",), tell=Tell.NOTHING))
    sandbox.app(actions=["create_conversation"])  # not to read: what is unknown stays unknown
    sandbox.fault("timeout_after")
    text(found, "refused")
    run_to_rest(found, clock)
    found.installations.mark_left("v", now=clock())
    found.installations.mark_left("v", now=clock())
    told(found, endpoint)
    kinds = ["user.linked", "message.accepted", "message.parked", "user.left"]
    assert receiver.types == kinds
    assert receiver.told[2]["data"]["cause"] == "unreadable_outcome"
    assert receiver.told[2]["data"]["reason"]
    assert [row["data"]["uid"] for row in receiver.told] == ["v", "u", "u", "v"]


def test_only_what_is_wanted_is_told_and_nothing_of_before(found: Services, clock: Clock, receiver: Receiver) -> None:
    everything, _ = add(found, receiver.url)
    text(found, "one")
    some, _ = add(found, receiver.url, EventType.MESSAGE_DELIVERED)
    told(found, some)
    run_to_rest(found, clock)
    told(found, some)
    assert receiver.types == ["message.delivered"]
    told(found, everything)
    assert receiver.types == ["message.delivered", "message.accepted", "message.delivered"]


def test_without_endpoints_nothing_is_written(found: Services, clock: Clock, redis: Redis) -> None:
    text(found, "one")
    run_to_rest(found, clock)
    assert not redis.exists(keys.FEED, keys.DUE_ENDPOINTS)


def test_a_worker_is_asked_even_while_omi_is_away(
    found: Services, clock: Clock, receiver: Receiver, redis: Redis
) -> None:
    """Its job comes through the same queue as a drain's; a gate for everybody does not hold it."""
    endpoint, _ = add(found, receiver.url)
    away = Retry(clock() + timedelta(hours=1), Reason.OMI_AWAY)
    found.gates.close(GateScope.ALL, "u", None, away, now=clock())
    text(found, "hello")
    protocol = RqProtocol(found, found.queue_connection, "rq:worker:w", "rq:executions:w", "w")
    batch = protocol.dispatch([], 0, free=5, foreign=0, now=clock())
    names = [json.loads(job.fields[b"meta"])["uid"] for job in batch.claimed]
    assert f"endpoint:{endpoint.id}" in names
    assert len(names) == 1, "the gate holds the user"
    run_due(found, f"endpoint:{endpoint.id}")
    assert receiver.types == ["message.accepted"]
    again = protocol.dispatch([], 0, free=5, foreign=0, now=clock() + timedelta(minutes=2))
    assert f"endpoint:{endpoint.id}" not in [json.loads(job.fields[b"meta"])["uid"] for job in again.claimed]


def test_what_is_not_taken_is_tried_again_and_holds_up_nothing(
    found: Services, clock: Clock, receiver: Receiver
) -> None:
    endpoint, _ = add(found, receiver.url)
    receiver.answers = lambda number: (500, {}) if number == 1 else (204, {})
    text(found, "one")
    text(found, "two")
    told(found, endpoint)
    assert len(receiver.got) == 2
    assert now_of(found, endpoint).failures == 0
    assert found.endpoints.waiting(endpoint.id) == 1
    clock.now += timedelta(seconds=7)
    told(found, endpoint)
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert ids[0] == ids[2]
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in receiver.got]
    assert stamps[2] - stamps[0] == 7
    assert found.endpoints.waiting(endpoint.id) == 0


def test_an_event_is_given_up_after_ten_tries_told_and_resent_by_hand(
    found: Services, clock: Clock, receiver: Receiver, cli: Cli, redis: Redis
) -> None:
    endpoint, _ = add(found, receiver.url)
    receiver.answers = lambda number: (500, {})
    text(found, "one")
    for _ in range(40):
        told(found, endpoint)
        row, first = now_of(found, endpoint), redis.zrange(keys.endpoint_again(endpoint.id), 0, 0, withscores=True)
        if not first:
            break
        again = codec.from_ms(first[0][1])
        clock.now = max(again, row.paused_until or again) + timedelta(milliseconds=1)
    assert len(receiver.got) == len(AFTER) + 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert clock() - START < timedelta(days=4)
    (failed,) = json.loads(cli("webhooks", "show", endpoint.id, "--json").stdout)["failed"]
    assert "takes nothing (500)" in cli("alert", "list").stdout
    receiver.answers = lambda number: (200, {})
    assert cli("webhooks", "resend", endpoint.id, "--failed").exit_code == 0
    told(found, endpoint)
    assert receiver.got[-1][0]["webhook-id"] == failed
    assert json.loads(cli("webhooks", "show", endpoint.id, "--json").stdout)["failed"] == []
    assert cli("webhooks", "resend", endpoint.id, "evt_1-1").exit_code == 3


def test_an_endpoint_that_is_down_is_not_knocked_at_for_each_event(
    found: Services, clock: Clock, receiver: Receiver
) -> None:
    endpoint, _ = add(found, receiver.url)
    receiver.answers = lambda number: (503, {"Retry-After": "120"})
    for number in range(20):
        text(found, f"n{number}")
    for _ in range(10):
        told(found, endpoint)
    assert len(receiver.got) == 1
    assert now_of(found, endpoint).paused_until == clock().replace(microsecond=123000) + timedelta(seconds=120)
    receiver.answers = lambda number: (200, {})
    clock.now += timedelta(seconds=121)
    for _ in range(3):
        told(found, endpoint)
        clock.now += timedelta(seconds=200)
    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert len(set(ids)) == 20


def test_410_ends_it_and_five_days_of_failures_too(found: Services, clock: Clock, receiver: Receiver) -> None:
    gone, _ = add(found, receiver.url)
    receiver.answers = lambda number: (410, {})
    text(found, "one")
    told(found, gone)
    assert (now_of(found, gone).is_on, "410" in now_of(found, gone).why) == (False, True)
    found.endpoints.remove(gone.id)
    silent, _ = add(found, receiver.url)
    receiver.answers = lambda number: (500, {})
    for _ in range(30):
        text(found, "again")
        told(found, silent)
        clock.now += timedelta(hours=5)
    row = now_of(found, silent)
    assert not row.is_on
    assert "five days" in row.why
    before = len(receiver.got)
    text(found, "while it is off")
    told(found, silent)
    assert len(receiver.got) == before
    receiver.answers = lambda number: (200, {})
    found.endpoints.switch(silent.id, is_on=True)
    text(found, "after")
    told(found, silent)
    assert receiver.types[-1] == "message.accepted"


def test_a_new_secret_and_the_one_before_both_sign_for_a_day(found: Services, clock: Clock, receiver: Receiver) -> None:
    import time_machine

    endpoint, first = add(found, receiver.url)
    second = found.endpoints.rotate(endpoint.id, now=clock())
    for secrets, hours in (((first, second), 1), ((second,), 24)):
        clock.now += timedelta(hours=hours)
        text(found, "x")
        told(found, endpoint)
        headers, body = receiver.got[-1]
        assert len(headers["webhook-signature"].split()) == len(secrets)
        with time_machine.travel(clock(), tick=False):
            for secret in secrets:
                Webhook(secret).verify(body, headers)


def test_a_worker_that_dies_tells_it_once_more_with_the_same_id(
    found: Services, clock: Clock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, _ = add(found, receiver.url)
    text(found, "one")

    class Killed(BaseException):
        pass

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(found.endpoints), "tried", dies)
        patch.setattr(type(found.endpoints), "release", lambda *_, **__: None)
        with pytest.raises(Killed):
            told(found, endpoint)
    told(found, endpoint)
    assert len(receiver.got) == 1, "the lease is still held"
    found.endpoints._redis.delete(keys.endpoint_lease(endpoint.id))  # as time does
    told(found, endpoint)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 2


def test_two_workers_tell_it_once(found: Services, clock: Clock, receiver: Receiver) -> None:
    endpoint, _ = add(found, receiver.url)
    for number in range(30):
        text(found, f"n{number}")
    both = [threading.Thread(target=told, args=(found, endpoint)) for _ in range(4)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    told(found, endpoint)
    assert len(receiver.got) == len({headers["webhook-id"] for headers, _ in receiver.got}) == 30


def test_an_erased_user_is_gone_from_the_feed(found: Services, receiver: Receiver, redis: Redis) -> None:
    endpoint, _ = add(found, receiver.url)
    text(found, "one")
    found.erasure.erase("u")
    told(found, endpoint)
    assert receiver.told == [{"type": "user.left", "timestamp": receiver.told[0]["timestamp"],
                              "data": {"erased": True, "uid": "u"}}]  # fmt: skip


def test_what_is_old_is_forgotten(found: Services, clock: Clock, receiver: Receiver, redis: Redis) -> None:
    endpoint, _ = add(found, receiver.url)
    text(found, "one")
    found.feed.trim(before=datetime.now(UTC) + timedelta(days=1))
    assert redis.xlen(keys.FEED) == 0
    told(found, endpoint)
    assert receiver.got == []


def test_no_url_and_no_secret_stands_in_redis(build: Callable[..., Services], redis: Redis, receiver: Receiver) -> None:
    services = build(WEBHOOK_PRIVATE_NETWORKS=HERE, DATA_KEYS="0" * 64)
    link(services, "user-number-one")
    endpoint, secret = add(services, receiver.url + "/private-path")
    text(services, "x")
    rows = [*redis.hgetall(keys.endpoint(endpoint.id)).values(), str(redis.xrange(keys.FEED))]
    assert not any(word in str(row) for row in rows for word in (secret, "private-path", "user-number-one"))
    told(services, endpoint)
    again = build(WEBHOOK_PRIVATE_NETWORKS=HERE, DATA_KEYS="1" * 64 + "," + "0" * 64)
    assert again.rotation.run()["endpoints"] == 2
    assert build(WEBHOOK_PRIVATE_NETWORKS=HERE, DATA_KEYS="1" * 64).endpoints.secrets_of(
        endpoint.id, now=services.clock()
    ) == [secret]


# --- the command line and the page -------------------------------------------------------------------------------


def test_the_command_line_from_adding_to_removing(
    found: Services, clock: Clock, receiver: Receiver, cli: Cli, redis: Redis
) -> None:
    added = cli("webhooks", "add", receiver.url, "--event", "message.parked", "--json")
    made = json.loads(added.stdout)
    assert made["secret"].startswith("whsec_")
    assert made["secret"] not in cli("webhooks", "--json").stdout
    assert cli("webhooks", "test", made["id"]).exit_code == 0
    found.dispatch.run(made["id"])
    assert receiver.types == ["webhook.test"]
    assert "200" in cli("webhooks", "show", made["id"]).stdout
    assert cli("webhooks", "rotate", made["id"]).stdout.startswith("whsec_")
    assert "off" in cli("webhooks", "off", made["id"]).output
    assert "on" in cli("webhooks", "on", made["id"]).output
    assert cli("webhooks", "remove", made["id"]).exit_code == 0
    assert cli("webhooks", "show", made["id"]).exit_code == 3
    assert not [key for key in redis.scan_iter("*endpoint*") if made["id"] in str(key)]
    for bad in ("ftp://example.com", "https://user:pw@example.com/", "nonsense", "https://example.com:22/x"):
        assert cli("webhooks", "add", bad).exit_code == 2
    said = [str(row) for row in found.audit.latest()]
    assert any("webhooks add" in row for row in said)
    assert not any(made["secret"] in row for row in said)


def test_a_test_goes_to_one_endpoint_alone(found: Services, receiver: Receiver) -> None:
    one, _ = add(found, receiver.url)
    other, _ = add(found, receiver.url)
    found.feed.test(one.id, now=found.clock())
    told(found, other)
    assert receiver.got == []
    told(found, one)
    assert receiver.types == ["webhook.test"]


def test_the_page_adds_shows_and_resends(
    build: Callable[..., Services], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from werkzeug.security import generate_password_hash

    services = build(
        WEBHOOK_PRIVATE_NETWORKS=HERE,
        OPERATOR_PASSWORD_HASH=generate_password_hash("operators-own", method="pbkdf2:sha256:1000"),
    )
    link(services, "u")
    from tests.integration.web_client import Browser

    browser = Browser(create_app(services))
    browser.get("/operator/login")
    browser.post("/operator/login", password="operators-own")
    browser.get("/operator/webhooks")
    browser.post("/operator/webhooks", act="add", url="http://10.0.0.1/x", events="alert")
    assert "whsec_" in browser.page, "an address is looked at when it is called"
    browser.post("/operator/webhooks", act="add", url=receiver.url, events="message.accepted")
    assert "whsec_" in browser.page
    browser.get("/operator/webhooks")
    assert "whsec_" not in browser.page
    endpoint = next(row for row in services.endpoints.all() if row.url == receiver.url)
    text(services, "x")
    told(services, endpoint)
    browser.get("/operator/webhooks")
    assert "message.accepted" in browser.page
    event = receiver.got[0][0]["webhook-id"]
    browser.post("/operator/webhooks", act="resend", endpoint=endpoint.id, event=event)
    told(services, endpoint)
    assert [headers["webhook-id"] for headers, _ in receiver.got] == [event, event]
    browser.get("/operator/webhooks")
    browser.post("/operator/webhooks", act="remove", endpoint=endpoint.id, sure="yes")
    assert services.endpoints.get(endpoint.id) is None


def test_an_alert_is_told_where_nothing_else_is_set(found: Services, clock: Clock, receiver: Receiver) -> None:
    from integration_app.operations.alerting.alerts import Alerts

    endpoint, _ = add(found, receiver.url, EventType.ALERT)
    alerts = Alerts(found, [])
    for _ in range(4):
        alerts.tick()
        clock.now += timedelta(minutes=2)
        found.alerting.end_turn("alerts", timedelta(0))
    told(found, endpoint)
    assert set(receiver.types) == {"alert"}
    assert any(row["data"]["key"] == "no worker" for row in receiver.told)


def test_an_alert_that_no_channel_takes_is_told_to_endpoints_once(
    found: Services, clock: Clock, receiver: Receiver
) -> None:
    from integration_app.operations.alerting.alerts import Alerts, News, Notice
    from integration_app.operations.alerting.problems import Problem

    class Down:
        name = "down"

        def send(self, *_: object) -> None:
            raise Undelivered("it is down")

    add(found, receiver.url, EventType.ALERT)
    alerts = Alerts(found, [Down()])
    for _ in range(8):
        alerts.tick()
        clock.now += timedelta(minutes=1)
        found.alerting.end_turn("alerts", timedelta(0))
    for endpoint in found.endpoints.all():
        told(found, endpoint)
    keys_told = [row["data"]["key"] for row in receiver.told]
    assert "no worker" in keys_told
    assert len(keys_told) == len(set(keys_told))
    problem = Problem("came back", "it is wrong")
    for since in (clock(), clock(), clock() + timedelta(days=1)):
        clock.now += timedelta(minutes=1)
        assert not alerts._send(Notice(News.NEW, problem, since))
    for endpoint in found.endpoints.all():
        told(found, endpoint)
    assert [row["data"]["key"] for row in receiver.told].count("came back") == 2, "once for each time"


# --- where it may lead ------------------------------------------------------------------------------------------

FORBIDDEN = (
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0",  # noqa: S104
    "0.1.2.3", "192.0.0.9", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.7",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1", "2001::1", "100::1", "3fff::1", "5f00::1",
)  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_never_called(address: str) -> None:
    assert not is_allowed(address, (), is_plain=False)
    assert not is_allowed(address, (), is_plain=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e"])
def test_public_addresses_are_called_by_tls_alone(address: str) -> None:
    assert is_allowed(address, (), is_plain=False)
    assert not is_allowed(address, (), is_plain=True)
    assert is_allowed("10.1.2.3", (ip_network("10.0.0.0/8"),), is_plain=True)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "//example.com", "ftp://example.com", "file:///etc/passwd", "http://example.com/", "https://",
        "https://user@example.com/", "https://:pw@example.com/", "https://example.com/#x", "https://example.com:99999/",
        "https://example.com:22/", "https://example.com:25/", "https://exämple.com/",
        "https://example.com/" + "x" * 600, "https://[::1", "gopher://example.com",
    ],
)  # fmt: skip
def test_urls_that_no_endpoint_has(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "[::1]", "[::ffff:7f00:1]"]
)
def test_this_machine_is_not_reached_by_any_name(host: str, receiver: Receiver) -> None:
    port = receiver.server.server_address[1]
    with pytest.raises(Refused):
        post(f"https://{host}:{port}/", b"{}", {})
    assert receiver.got == []


def test_a_name_that_leads_elsewhere_a_moment_later_gains_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, asked = receiver.server.server_address[1], []

    def rebinds(host: str, *args: Any, **more: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8" if len(asked) == 1 else "127.0.0.1", port))]

    connected: list[tuple[str, int]] = []

    def connects(address: tuple[str, int], *_: Any) -> Any:
        connected.append(address)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", rebinds)
    monkeypatch.setattr(safe_http, "create_connection", connects)
    with pytest.raises(OSError, match="no connection"):
        post(f"https://hooks.example.com:{port}/", b"{}", {})
    assert connected == [("8.8.8.8", port)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ])  # fmt: skip
    with pytest.raises(Refused):
        post(f"https://hooks.example.com:{port}/", b"{}", {})
    assert len(connected) == 1


def test_no_redirect_is_followed_and_no_proxy_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    receiver.answers = lambda number: (302, {"Location": receiver.url})
    answered = post(receiver.url, b"{}", {}, [ip_network(HERE)])
    assert (answered.status, len(receiver.got)) == (302, 1)


@pytest.mark.parametrize("how", ["silent", "dripping head", "dripping body"])
def test_a_slow_receiver_holds_no_worker(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how != "dripping body":
        monkeypatch.setattr(safe_http, "_SECONDS", 1.0)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drips() -> None:
        connection, _ = listener.accept()
        with connection:
            if how == "dripping body":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.2):
                try:
                    connection.sendall(b"" if how == "silent" else b"H" if how == "dripping head" else b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drips, daemon=True)
    thread.start()
    try:
        if how == "dripping body":
            assert post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, [ip_network(HERE)]).status == 200
        else:
            with pytest.raises(OSError, match="too slow"):
                post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, [ip_network(HERE)])
    finally:
        over.set()
        listener.close()
        thread.join()


def test_a_certificate_of_another_name_is_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.certificates import make

    make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    made = Receiver()
    made.server.socket = context.wrap_socket(made.server.socket, server_side=True)
    port = made.server.server_address[1]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    ])  # fmt: skip
    with pytest.raises(OSError, match="certificate is not valid"):
        post(f"https://hooks.example.com:{port}/", b"{}", {}, [ip_network(HERE)])
    made.close()


# --- when -----------------------------------------------------------------------------------------------------


def test_ten_tries_within_three_days_and_a_half() -> None:
    at, tries = START, 1
    while (next_at := again_at(tries, "", at, 1.0)) is not None:
        at, tries = next_at, tries + 1
    assert tries == 10
    assert timedelta(days=3) < at - START < timedelta(days=4)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("-5", 0), ("99999999999", 0), ("9999999", 86_400), ("soon", 0), ("", 0),
     ("Fri, 20 Nov 2026 08:02:00 GMT", 119), ("Fri, 20 Nov 2020 08:02:00 GMT", 0)],
)  # fmt: skip
def test_how_long_a_receiver_may_ask_to_wait(value: str, seconds: int) -> None:
    assert int(retry_after(value, START).total_seconds()) == seconds


def test_a_rest_after_failures_in_a_row() -> None:
    pauses = [rest(failures, 500, "", START) for failures in range(1, 9)]
    assert pauses[:2] == [None, None]
    assert pauses[2] == START + timedelta(seconds=30)
    assert pauses[-1] == START + timedelta(seconds=1800)
    assert rest(1, 429, "90", START) == START + timedelta(seconds=90)


def test_an_odd_answer_is_none_of_ours(found: Services, receiver: Receiver) -> None:
    answers = iter([100, 199, 204, 299, 301, 304, 400, 404, 418, 599])

    def odd(url: str, body: bytes, headers: dict[str, str], allowed: Any) -> Answered:
        return Answered(next(answers), 0.1)

    dispatch = Dispatch(
        endpoints=found.endpoints, feed=found.feed, inbox=found.inbox, allowed=(), clock=found.clock,
        chance=lambda: 0.0, send=odd,
    )  # fmt: skip
    taken = []
    for _ in range(10):
        endpoint, _ = add(found, receiver.url)
        found.feed.test(endpoint.id, now=found.clock())
        dispatch.run(endpoint.id)
        taken.append(found.endpoints.log(endpoint.id)[0].is_taken)
        found.endpoints.remove(endpoint.id)
    assert taken == [False, False, True, True, False, False, False, False, False, False]


# --- what goes wrong in between -------------------------------------------------------------------------------


def due(services: Services) -> list[str]:
    return list(map(str, services.endpoints._redis.zrange(keys.DUE_ENDPOINTS, 0, -1)))


def test_what_is_removed_meanwhile_leaves_nothing_behind(found: Services, receiver: Receiver, redis: Redis) -> None:
    queued, _ = add(found, receiver.url)
    text(found, "one")
    found.endpoints.remove(queued.id)
    told(found, queued)
    running, _ = add(found, receiver.url)
    text(found, "two")
    receiver.answers = lambda number: (found.endpoints.remove(running.id) and 500, {})
    told(found, running)
    assert len(receiver.got) == 1
    assert due(found) == []
    assert [key for key in map(str, redis.scan_iter("oi:*endpoint*")) if "ep" in key.removeprefix("oi:endpoint")] == []


def test_a_resend_ends_the_rest(found: Services, clock: Clock, receiver: Receiver) -> None:
    endpoint, _ = add(found, receiver.url)
    receiver.answers = lambda number: (503, {"Retry-After": "3600"})
    text(found, "one")
    told(found, endpoint)
    told(found, endpoint)
    assert len(receiver.got) == 1
    receiver.answers = lambda number: (200, {})
    (event,) = {headers["webhook-id"] for headers, _ in receiver.got}
    assert found.endpoints.resend(endpoint.id, [event, "foo", "evt_5", "evt_5-x", ""], now=clock()) == 1
    assert due(found) == [endpoint.id]
    told(found, endpoint)
    assert len(receiver.got) == 2
    assert found.endpoints.waiting(endpoint.id) == 0


def test_one_event_that_cannot_be_told_holds_up_no_other(
    found: Services, clock: Clock, receiver: Receiver, redis: Redis
) -> None:
    endpoint, _ = add(found, receiver.url)
    redis.xadd(keys.FEED, {"type": "nothing we know", "at": "yesterday", "uid": "", "message": "", "data": "{"})
    redis.xadd(keys.FEED, {"odd": "row"})
    message = text(found, "one")
    redis.xadd(keys.FEED, {"type": "message.accepted", "at": str(codec.ms(clock())), "uid": "u", "message": "gone"})
    last = text(found, "two")
    for _ in range(5):
        told(found, endpoint)
    assert {row["data"].get("message") for row in receiver.told} >= {message, last}
    assert due(found) == []


def test_switched_off_with_a_backlog_it_is_listed_and_resent_once_it_is_on(
    found: Services, clock: Clock, receiver: Receiver
) -> None:
    endpoint, _ = add(found, receiver.url, EventType.MESSAGE_ACCEPTED)
    receiver.answers = lambda number: (410, {})
    for number in range(5):
        text(found, f"n{number}")
    told(found, endpoint)
    text(found, "while it is off")
    assert not now_of(found, endpoint).is_on
    failed = found.endpoints.failed(endpoint.id)
    assert len(failed) == 5
    assert due(found) == []
    receiver.answers = lambda number: (200, {})
    found.endpoints.switch(endpoint.id, is_on=True)
    told(found, endpoint)
    assert len(receiver.got) == 1
    found.endpoints.resend(endpoint.id, failed, now=clock())
    told(found, endpoint)
    assert {headers["webhook-id"] for headers, _ in receiver.got[1:]} == set(failed)


def test_to_switch_on_what_is_on_skips_nothing(found: Services, receiver: Receiver) -> None:
    endpoint, _ = add(found, receiver.url)
    text(found, "one")
    found.endpoints.switch(endpoint.id, is_on=True)
    told(found, endpoint)
    assert receiver.types == ["message.accepted"]


@pytest.mark.parametrize("key", [keys.DUE_ENDPOINTS, keys.FEED, keys.ENDPOINTS])
def test_a_spoilt_key_of_endpoints_stops_no_message(
    found: Services, sandbox: SandboxControl, clock: Clock, receiver: Receiver, redis: Redis, key: str
) -> None:
    add(found, receiver.url)
    redis.delete(key)
    redis.set(key, "spoilt")
    text(found, "still delivered")
    run_to_rest(found, clock)
    assert len(sandbox.memories("u") + sandbox.conversations("u")) == 1


@pytest.mark.parametrize("date", ["1 Jan 99999999999 0:0:0 +0", "Fri, 99 Nov 2026 99:99:99 GMT", "\x00", "1e400", "٣"])
def test_an_odd_retry_after_is_tried_again_as_any_failure(
    found: Services, clock: Clock, receiver: Receiver, date: str
) -> None:
    endpoint, _ = add(found, receiver.url)
    sent = []

    def answers(url: str, body: bytes, headers: dict[str, str], allowed: Any) -> Answered:
        sent.append(headers["webhook-id"])
        return Answered(503, 0.1, date)

    dispatch = Dispatch(
        endpoints=found.endpoints, feed=found.feed, inbox=found.inbox, allowed=(), clock=clock, chance=lambda: 0.0,
        send=answers,
    )  # fmt: skip
    text(found, "one")
    for _ in range(3):
        dispatch.run(endpoint.id)
    assert len(sent) == 1
    assert found.endpoints.waiting(endpoint.id) == 1


def test_a_connection_that_comes_after_the_deadline_is_ended(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, limits = socket.create_server(("127.0.0.1", 0)), []
    made = safe_http._Deadline.__init__

    def noted(self: Any, seconds: float) -> None:
        made(self, seconds)
        limits.append(self)

    def late(address: tuple[str, int], *_: Any) -> socket.socket:
        limits[-1]._end()
        return socket.create_connection(address)

    monkeypatch.setattr(safe_http._Deadline, "__init__", noted)
    monkeypatch.setattr(safe_http, "create_connection", late)
    with pytest.raises(OSError, match="too slow"):
        post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {}, [ip_network(HERE)])
    listener.close()
