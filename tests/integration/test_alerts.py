"""Operators are told what is wrong: by a signed webhook, by apprise, by a heartbeat that ends."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook as Oracle

from integration_app.bootstrap import Services
from integration_app.operations.alerting.alerts import Alerts
from integration_app.operations.alerting.channels import channels
from integration_app.web.app import create_app
from tests.conftest import Cli, Clock
from tests.integration.helpers import link, text
from tests.receiver import Receiver
from tests.sandbox_control import SandboxControl

SECRET = f"whsec_{base64.b64encode(b'k' * 24).decode()}"
UID = "u-secret-name"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


Watch = Callable[..., list[str]]


@pytest.fixture
def watched(build: Callable[..., Services], receiver: Receiver) -> Services:
    return build(
        ALERT_WEBHOOK_URL=f"{receiver.url}/hook?token=in-the-url",
        ALERT_WEBHOOK_SECRET=SECRET,
        ALERT_URLS=receiver.url.replace("http:", "json:") + "/apprise",
        HEARTBEAT_URL=f"{receiver.url}/beat",
    )


@pytest.fixture
def watch(watched: Services, receiver: Receiver, clock: Clock) -> Watch:
    """Look as two hosts do, every five seconds for so long, with a worker alive or not; what the webhook was told."""
    both = [Alerts(watched, channels(watched.settings, watched.clock)) for _ in range(2)]

    def look(*, seconds: float, worker: bool = True) -> list[str]:
        before = len(receiver.at("/hook"))
        for _ in range(int(seconds / 5)):
            clock.pass_time(seconds=5)
            if worker:
                watched.health.beat("host-1", now=clock())
            _let_turns_end(watched)
            for alerts in both:
                alerts.tick()
        bodies = [json.loads(got.body) for got in receiver.at("/hook")[before:]]
        return [f"{body['type']} {body['data']['key']}" for body in bodies]

    return look


def _let_turns_end(services: Services) -> None:
    """Turns end by Redis's own clock, which a test does not move."""
    services.queue_connection.delete("oi:turn:alerts", "oi:turn:heartbeat")


def test_workers_that_stop_are_told_within_a_minute_once_by_each_channel_and_when_they_are_back(
    watch: Watch, receiver: Receiver
) -> None:
    assert watch(seconds=30) == []
    assert watch(seconds=60, worker=False) == ["alert.new no worker"], "two hosts, one message"
    assert watch(seconds=3600, worker=False) == []
    assert watch(seconds=4 * 3600, worker=False) == ["alert.reminder no worker"]
    assert watch(seconds=120) == ["alert.cleared no worker"]
    titles = [json.loads(got.body)["title"] for got in receiver.at("/apprise")]
    assert titles == ["Omi Inbox: no worker"] * 3
    for got in receiver.at("/hook"):
        text_said = json.loads(got.body)["data"]["text"]
        assert "worker" in text_said
        assert UID not in str(got)


def test_the_webhook_is_signed_as_its_users_verify_it(build: Callable[..., Services], receiver: Receiver) -> None:
    services = build(ALERT_WEBHOOK_URL=f"{receiver.url}/hook", ALERT_WEBHOOK_SECRET=SECRET, real_time=True)
    assert Alerts(services, channels(services.settings, services.clock)).test() == []
    (got,) = receiver.at("/hook")
    assert Oracle(SECRET).verify(got.body, got.headers)["type"] == "alert.test"


def test_parked_messages_and_refusals_at_a_door(
    watched: Services, watch: Watch, sandbox: SandboxControl, clock: Clock
) -> None:
    link(watched, UID)  # not enabled in Omi, but that is another matter
    sandbox.enable(UID)
    text(watched, "one")
    assert watch(seconds=30) == []
    door = create_app(watched).test_client()
    for _ in range(5):
        door.post("/webhooks/twilio", data={"Body": "x"}, headers={"X-Twilio-Signature": "x"})
    assert watch(seconds=5) == ["alert.new refused twilio"]
    assert watch(seconds=3600) == ["alert.new late", "alert.cleared refused twilio"], "nothing drains here"


def test_the_heartbeat_ends_with_the_workers(watch: Watch, receiver: Receiver) -> None:
    watch(seconds=10)
    assert len(receiver.at("/beat")) == 2
    watch(seconds=60, worker=False)
    before = len(receiver.at("/beat"))
    watch(seconds=60, worker=False)
    assert len(receiver.at("/beat")) == before


def test_a_channel_that_fails_is_tried_again_and_its_url_is_in_no_log(
    watch: Watch, receiver: Receiver, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    watch(seconds=60, worker=False)
    watch(seconds=120, worker=False)
    assert 3 < len(receiver.at("/hook")) < 12, "two hosts, twice a minute at the most"
    receiver.status = 200
    assert watch(seconds=30, worker=False) == ["alert.new no worker"]
    said = caplog.text + "".join(capsys.readouterr())
    assert "in-the-url" not in said


def test_a_slow_channel_makes_no_second_host_tell_it_too(watched: Services, redis: Redis) -> None:
    told: list[str] = []

    class Slow:
        name = "slow"

        def send(self, news: str, sentence: str, key: str, since: datetime) -> None:
            told.append(f"{news} {key}")
            assert redis.pttl("oi:turn:alerts") > 60_000, "while it is sent, no other host has the turn"
            Alerts(watched, [self]).tick()

    Alerts(watched, [Slow()]).tick()
    assert told == ["new no worker"]
    assert 0 < redis.pttl("oi:turn:alerts") <= 5000


def test_the_command_line(cli: Cli, watched: Services, receiver: Receiver, clock: Clock) -> None:
    assert "sent to ALERT_WEBHOOK_URL and ALERT_URLS" in cli("alert", "test").output
    assert len(receiver.at("/hook")) == len(receiver.at("/apprise")) == 1
    receiver.status = 403
    failed = cli("alert", "test")
    assert failed.exit_code == 1
    assert "ALERT_WEBHOOK_URL: it answers 403" in failed.output
    assert "in-the-url" not in failed.output
    assert "no worker: no worker was seen" in cli("alert", "list").output
    watched.health.beat("host-1", now=clock())
    assert "no worker" not in cli("alert", "list", "--json").output


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ALERT_URLS", "somebody@example.com", "each must be a URL as apprise has them"),
        ("ALERT_WEBHOOK_URL", "https://example.com/hook", "must be set with ALERT_WEBHOOK_URL"),
        ("ALERT_WEBHOOK_SECRET", "k" * 16, "must be whsec_"),
        ("HEARTBEAT_URL", "example.com", "must be an http(s) URL"),
    ],
)
def test_wrong_settings(
    cli: Cli, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    said = cli("doctor").output
    assert sentence in said
    assert value not in said.replace("ALERT_WEBHOOK_URL", "")
