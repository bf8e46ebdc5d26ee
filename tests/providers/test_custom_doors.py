"""Doors that a file describes: mistakes are told by line and field, proofs are what vendors publish, docs are run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from environs import Env
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import BadSignature, SettingsError
from integration_app.providers.base import WebhookRequest
from integration_app.providers.common.jwt import claims_of, token_of
from integration_app.providers.custom.config import DoorsError, Proof, read_doors
from integration_app.providers.custom.proofs import check
from integration_app.providers.custom.provider import SPEC, examples
from integration_app.web.app import create_app
from tests.conftest import REPO, START

SLACK = examples()["slack"]


def request(body: bytes, headers: dict[str, str], at: datetime = START) -> WebhookRequest:
    lower = {name.lower(): value for name, value in headers.items()}
    return WebhookRequest("POST", "https://inbox.example.com/webhooks/custom/x", "", lower, body, at)


def test_the_docs_show_the_examples_as_they_are() -> None:
    page = REPO.joinpath("docs", "tasks", "custom-doors.md").read_text(encoding="utf-8")
    shown = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert sorted(shown) == sorted(examples().values())


@pytest.mark.parametrize("name", examples())
def test_an_example_alone_opens_its_door(
    build: Callable[..., Services], redis: Redis, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    env = SPEC.local_env() | {"CUSTOM_DOORS": examples()[name]}
    services = build(**env)
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", "+15550001111")
    services.installations.link_phone("u", "custom-slack:U123ABC456")
    inbox = services.settings.inbox_address(services.installations.get("u").inbox_token)  # type: ignore[union-attr]
    assert SPEC.sender is not None
    sender = SPEC.sender(env)
    ((_, sample),) = sender.samples().items()
    from dataclasses import replace

    message = replace(
        sample,
        sender=sample.sender.replace("{phone}", "+15550001111"),
        to=sample.to.replace("{inbox}", inbox or ""),
    )
    made = sender.build_request(message, "https://inbox.example.com", services.clock())
    answer = create_app(services).test_client().post(made.path, headers=dict(made.headers), data=made.body)
    assert answer.headers["X-Outcome"] == "stored"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("only_if = {", "only_iff = {"), r"line 8: doors\.slack\.only_iff: Unknown field"),
        (('text = ["event.text"]', 'text = ["event..text"]'), r"line 4: doors\.slack\.text\.0: is no path"),
        (('text = ["event.text"]', "text = []"), r"line 4: doors\.slack\.text: "),
        (('sender = "event.user" ', "sender = 5 "), r"line 5: doors\.slack\.sender: Not a valid string"),
        (('id = "event_id"\n', ""), r"line 1: doors\.slack\.id: Missing data"),
        (('scheme = "hmac"', 'scheme = "md5"'), r"line 14: doors\.slack\.proof\.scheme: Must be one of"),
        (('header = "X-Slack-Signature"\n', ""), r"line 13: doors\.slack\.proof\.header: is needed"),
        (('signed = "v0:{time}:{body}"', 'signed = "{time}"'), r"line 18: doors\.slack\.proof\.signed: must hold"),
        (('time_header = "X-Slack-Request-Timestamp"', ""), r"line 13: doors\.slack\.proof\.time_header: goes with"),
        (('"SLACK_SIGNING_SECRETS"', '"8f742231b10e8888"'), r"line 15: doors\.slack\.proof\.secrets: names a setting"),
        (("[doors.slack]\n", "[doors.Slack]\n"), r"line 1: doors\.Slack: a name is letters"),
        (('channel = "chat"', 'channel = "email"'), r"doors\.slack\.to: goes with channel"),
        (("unescape = true", 'unescape = "yes"'), r"line 10: doors\.slack\.unescape: Not a valid boolean"),
        (('title = "Slack"', "title = Slack"), r"line 2"),
        (('"event.type" = "message"', 'event = { type = "message" }'), r"line 8: doors\.slack\.only_if.*: is a text"),
        (('"event.type" = "message"', '"event.type" = ["message"]'), r"only_if.*: is a text"),
        (("unescape = true", "busy_status = 200"), r"line 10: doors\.slack\.busy_status: is an error"),
        (("unescape = true", "refused_status = 205"), r"line 10: doors\.slack\.refused_status: is 200, 202"),
        (('prefix = "v0="', 'prefix = " "'), r"proof\.prefix: must not begin with a blank"),
        (('header = "X-Slack-Signature"', 'header = "Host"'), r"proof\.header: is no name of a header"),
        (('"v0:{time}:{body}"', '"{time}{body}{body}"'), r"proof\.signed: must hold {body} once"),
        (('id = "event_id"', f'id = "{"9" * 5000}"'), r"line 6: doors\.slack\.id: is no path"),
        (("[doors.slack]\n", "x = 1\n[doors.slack]\n"), r"line 1: it holds tables"),
    ],
)
def test_a_mistake_is_told_by_line_and_field(change: tuple[str, str], told: str) -> None:
    assert change[0] in SLACK
    with pytest.raises(DoorsError, match=told):
        read_doors(SLACK.replace(*change))


def test_a_file_with_a_mistake_stops_the_start(build: Callable[..., Services]) -> None:
    with pytest.raises(SettingsError, match=r"CUSTOM_DOORS: line 8: doors\.slack\.only_iff"):
        build(CUSTOM_DOORS=SLACK.replace("only_if =", "only_iff ="), SLACK_SIGNING_SECRETS="x" * 20)
    with pytest.raises(SettingsError, match="OTHER_SECRETS"):
        build(CUSTOM_DOORS=SLACK.replace("SLACK_SIGNING_SECRETS", "OTHER_SECRETS"))


def test_every_field_of_the_file_is_in_the_docs() -> None:
    from integration_app.providers.custom.config import DoorSchema, ProofSchema

    page = REPO.joinpath("docs", "tasks", "custom-doors.md").read_text(encoding="utf-8")
    names = {*DoorSchema().fields, *ProofSchema().fields}
    assert {name for name in names if f"`{name}" not in page and f"`[doors.<name>.{name}" not in page} == set()


# --- what vendors publish -----------------------------------------------------------------------------------

HMAC = Proof("hmac", "S", header="X-Hub-Signature-256", prefix="sha256=")


def test_the_vector_of_githubs_docs() -> None:
    """https://docs.github.com/webhooks/securing"""
    mac = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    check(request(b"Hello, World!", {"X-Hub-Signature-256": mac}), HMAC, ["It's a Secret to Everybody"])
    with pytest.raises(BadSignature):
        check(request(b"Hello, World?", {"X-Hub-Signature-256": mac}), HMAC, ["It's a Secret to Everybody"])


def test_the_vector_of_slacks_docs() -> None:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack/"""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
        b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks."
        b"slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
        b"803a0bc887a14d10d2c447fce8b6703c"
    )
    (door,) = read_doors(SLACK)
    headers = {
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        "X-Slack-Request-Timestamp": "1531420618",
    }
    then = datetime.fromtimestamp(1531420618, UTC)
    check(request(body, headers, then), door.proof, ["8f742231b10e8888abcd99yyyzzz85a5"])


def test_the_vector_of_standard_webhooks() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    then = datetime.fromtimestamp(1614265330, UTC)
    proof = Proof("standard-webhooks", "S")
    check(request(b'{"test": 2432232314}', headers, then), proof, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


# --- tokens, beside a library that others use ------------------------------------------------------------

NOW = int(START.timestamp())
CLAIMS: list[dict[str, Any]] = [
    {},
    {"exp": NOW + 60},
    {"exp": NOW - 300},
    {"nbf": NOW - 60, "iat": NOW, "exp": NOW + 600},
    {"nbf": NOW + 300},
    {"iat": NOW + 300},
    {"aud": "x", "exp": NOW + 0.5},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=str)
@pytest.mark.parametrize("secret", ["s" * 32, "another" * 5])
def test_a_library_agrees_which_tokens_hold(claims: dict[str, Any], secret: str) -> None:
    import time_machine

    token = jwt.encode(claims, "s" * 32, algorithm="HS256")
    with time_machine.travel(START, tick=False):
        try:
            theirs: dict[str, Any] | None = jwt.decode(
                token, secret, algorithms=["HS256"], leeway=60, options={"verify_aud": False}
            )
        except jwt.PyJWTError:
            theirs = None
    try:
        ours: dict[str, Any] | None = claims_of(token, [secret], START)
    except BadSignature:
        ours = None
    assert ours == theirs


def test_a_library_reads_what_we_sign() -> None:
    assert jwt.decode(token_of({"a": 1}, "s" * 32), "s" * 32, algorithms=["HS256"]) == {"a": 1}


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_a_token_chooses_no_algorithm(algorithm: str) -> None:
    token = jwt.encode({"a": 1}, "" if algorithm == "none" else "s" * 64, algorithm=algorithm)
    with pytest.raises(BadSignature):
        claims_of(token, ["s" * 64], START)


def test_a_token_of_another_body_is_worth_nothing() -> None:
    proof = Proof("jwt-hs256", "S", body_claim="payload_hash")
    body = json.dumps({"text": "x"}).encode()
    token = token_of({"iat": NOW, "payload_hash": hashlib.sha256(body).hexdigest()}, "s" * 32)
    check(request(body, {"Authorization": f"Bearer {token}"}), proof, ["s" * 32])
    with pytest.raises(BadSignature):
        check(request(body + b" ", {"Authorization": f"Bearer {token}"}), proof, ["s" * 32])


def test_what_is_wrong_with_a_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOM_DOORS", SLACK)
    monkeypatch.setenv("SLACK_SIGNING_SECRETS", "short")
    env = Env(eager=False)
    SPEC.from_env(env)
    assert "SLACK_SIGNING_SECRETS" in env._errors
