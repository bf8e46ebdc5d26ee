"""What a copy of Redis says: nothing that a person wrote, no number, no address."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.model import (
    Content,
    Evidence,
    GateScope,
    Kind,
    Made,
    Preferences,
    Reason,
    Retry,
    Route,
    SeenInOmi,
)
from integration_app.store import accounts, keys
from integration_app.store.audit import Act
from integration_app.store.notices import Notices
from integration_app.store.vault import KeyMissing, Vault
from integration_app.web.app import create_app
from tests.conftest import Cli, Clock
from tests.integration.helpers import run_to_rest, state, text
from tests.integration.web_client import Browser
from tests.people.helpers import sign_in
from tests.sandbox_control import SandboxControl

OLD, NEW = secrets.token_hex(32), secrets.token_hex(32)
PHONE, OTHER = "+15550001111", "+15550002222"
U, V = "uniqueUidOfAna0000000000001A", "uniqueUidOfBob0000000000002B"


@pytest.fixture
def sealed(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    sandbox.enable(U, V)
    return people(build(DATA_KEYS=NEW))


def people(services: Services) -> Services:
    for uid, phone in ((U, PHONE), (V, OTHER)):
        services.installations.add(uid, now=services.clock())
        services.installations.link_phone(uid, phone)
    return services


def mail(services: Services, words: str, uid: str = U, **more: object) -> str:
    token = services.installations.tokens(uid)[0]
    found: dict[str, object] = {
        "channel": "email", "route": Route.RECIPIENT, "sender": "ana.unique@bank.example",
        "recipients": (f"{token}@in.example.com",), "content": Content(text=words, subject="Quarterly-subject"),
    }  # fmt: skip
    return text(services, "", **found | more)


def everything(services: Services) -> bytes:
    """All keys and values."""
    redis = services.queue_connection  # which leaves bytes as they are
    found: list[bytes] = []
    for key in redis.scan_iter("*"):
        kind = redis.type(key)
        values: object = redis.get(key) if kind == b"string" else redis.hgetall(key) if kind == b"hash" else None
        if kind in (b"set", b"list", b"zset"):
            read = {b"set": redis.smembers, b"list": lambda name: redis.lrange(name, 0, -1)}
            values = read.get(kind, lambda name: redis.zrange(name, 0, -1))(key)
        found.append(key + b" " + repr(values).encode())
    return b"\n".join(found)


def busy(services: Services, sandbox: SandboxControl, clock: Clock) -> list[str]:
    """A busy day; returns every word, number and address that went in."""
    services.installations.prefer(U, Preferences(senders=("ana.unique@bank.example", "~bob.unique@shop.example")))
    addresses = list(services.installations.tokens(U)) + list(services.installations.tokens(V))
    text(services, "delivered-words one", sender=PHONE)
    mail(services, "delivered-mail words", evidence=Evidence(dmarc="pass"))
    text(services, "remember: memory-words #hashtag-words", sender=PHONE)
    run_to_rest(services, clock)
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("error_after", route="create_conversation", times=1)
    parked = text(services, "parked-words", sender=OTHER)
    run_to_rest(services, clock)
    assert state(services, parked, V) == "parked"
    mail(services, "held-mail words", sender="stranger.unique@evil.example")
    services.installations.prefer(V, Preferences(paused=True, paused_at=clock()))
    waiting = text(services, "waiting-words", sender=OTHER)
    services.inbox.seen(waiting, SeenInOmi(at=clock(), uid=V, by="c"), Made("made-title", "made-overview"))
    services.phones.link(V, PHONE)
    services.installations.new_inbox(U, keep=services.deliveries.settle_pause)
    text(services, services.auth.link_codes.new(U), sender="+15550003333")
    services.auth.sessions.begin(U, "a phone", now=clock())
    services.health.failing(V, now=clock())
    services.quotas.learn(U, Kind.CONVERSATION, 10, now=clock())
    services.gates.close(GateScope.UID, V, None, Retry(clock(), Reason.IN_FLIGHT), now=clock())
    Notices(services.queue_connection).tell([U], "notice-words")
    services.audit.note(Act(clock(), "command line", "erase", {"uid": U}))
    addresses += services.installations.tokens(U)
    return [
        "delivered-words", "delivered-mail", "memory-words", "hashtag-words", "parked-words", "held-mail", "waiting-words", "notice-words",
        "Quarterly-subject", "ana.unique", "bank.example", "bob.unique", "stranger.unique", "evil.example", "made-title",
        "made-overview", PHONE.strip("+"), OTHER.strip("+"), "5550003333", U, V, *addresses,
    ]  # fmt: skip


def test_a_dump_after_a_busy_day_says_nothing(
    sealed: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    went_in = busy(sealed, sandbox, clock)
    dump = everything(sealed)
    assert [words for words in went_in if words.encode() in dump] == []
    assert b"e1." in dump


def test_the_test_finds_what_is_not_sealed(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable(U, V)
    services = people(build(DATA_KEYS=""))
    went_in = busy(services, sandbox, clock)
    dump = everything(services)
    assert len([words for words in went_in if words.encode() in dump]) > 14


def test_what_was_kept_before_there_was_a_key_is_read_and_then_sealed(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock, cli: Cli
) -> None:
    sandbox.enable(U, V)
    plain = people(build(DATA_KEYS=""))
    plain.installations.prefer(U, Preferences(senders=("ana.unique@bank.example",)))
    before = text(plain, "early words", sender=PHONE)
    services = build(DATA_KEYS=NEW)
    installation = services.installations.get(U)
    assert installation is not None
    assert installation.phones == (PHONE,)
    assert services.installations.with_phone(PHONE) == [U]
    assert state(services, mail(services, "x", evidence=Evidence(dmarc="pass")), U) == "waiting"
    assert state(services, mail(services, "y", sender="x@evil.example"), U) == "quarantined"
    after = text(services, "later words", sender=PHONE)
    assert cli("keys", "rotate").exit_code == 0
    assert b"early words" not in everything(services)
    assert PHONE.strip("+").encode() not in everything(services)
    assert services.rotation.behind() == 0
    assert services.installations.with_phone(PHONE) == [U]
    run_to_rest(services, clock)
    assert {state(services, before, U), state(services, after, U)} == {"done"}


def test_the_uids_of_a_store_begun_without_a_key_are_sealed_while_nothing_runs(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock, cli: Cli
) -> None:
    sandbox.enable(U, V)
    before = people(build(DATA_KEYS=""))
    went_in = busy(before, sandbox, clock)
    shown = everything_shown(before)
    build(DATA_KEYS=NEW).health.beat("w", now=clock())
    assert "1 workers run" in cli("keys", "uids").output
    clock.pass_time(minutes=2)
    for _ in range(2):
        assert cli("keys", "rotate").exit_code == 0
        assert cli("keys", "uids").exit_code == 0
        services = build(DATA_KEYS=NEW)
        assert everything_shown(services) == shown
    clock.pass_time(days=1)
    services.installations.prefer(V, Preferences())
    services.due.set(V, clock())
    after = text(services, "later words", sender=PHONE)
    run_to_rest(services, clock)
    assert state(services, after, U) == "done"
    dump = everything(services)
    assert [words for words in went_in if words.encode() in dump] == []


def everything_shown(services: Services) -> object:
    """What operators and users see of the store."""
    uids = services.installations.uids()
    parked = [(delivery.id, delivery.uid, delivery.state) for delivery, _ in services.dead_letters.list()]
    return (
        services.installations.all(), list(services.inbox.latest()), [list(services.inbox.of(uid)) for uid in uids],
        [services.outbox.peek(uid).waiting for uid in uids], services.due.times(uids), list(services.quarantine.held()),
        parked, [services.quotas.of(uid) for uid in uids], services.installations.with_phone(PHONE),
        services.phones.owners(PHONE), [services.gates.of(uid) for uid in uids],
        [services.auth.sessions.list(uid) for uid in uids],
    )  # fmt: skip


def test_a_key_is_rotated_while_work_goes_on(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable(U, V)
    services = people(build(DATA_KEYS=OLD))
    went_in = busy(services, sandbox, clock)
    services = build(DATA_KEYS=f"{NEW},{OLD}")
    done = services.rotation.run()
    assert done["messages"] >= 5
    assert done["installations"] >= 4
    assert services.rotation.run().total() <= 4, "and once is enough, but for addresses of before"
    services = build(DATA_KEYS=NEW)
    assert {row.uid for row in services.installations.all()} == {U, V}
    assert services.installations.with_phone(PHONE) == [U, V]
    assert all(services.inbox.story(str(row)) for row in redis.zrange(keys.MESSAGES, 0, -1))
    assert services.dead_letters.list()
    assert [words for words in went_in if words.encode() in everything(services)] == []


def test_without_its_key_nothing_is_taken_for_spoilt(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable(U)
    services = people(build(DATA_KEYS=OLD))
    message_id = text(services, "words", sender=PHONE)
    services = build(DATA_KEYS=NEW)
    clock.pass_time(seconds=30)
    with pytest.raises(KeyMissing, match="DATA_KEYS lacks the key"):
        services.drain.run(U)
    services = build(DATA_KEYS=f"{NEW},{OLD}")
    redis.delete(keys.lease(U))  # it would run out
    clock.pass_time(minutes=10)
    run_to_rest(services, clock)
    assert state(services, message_id, U) == "done"


def test_a_missing_key_spoils_nothing_beside_what_is_spoilt(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable(U)
    services = people(build(DATA_KEYS=OLD))
    spoilt = text(services, "spoilt", sender=PHONE)
    redis.hset(keys.message(spoilt), "envelope", "{broken")
    good = text(build(DATA_KEYS=f"{NEW},{OLD}"), "good words", sender=PHONE)
    clock.pass_time(seconds=30)
    with pytest.raises(StoreUnfit):
        build(DATA_KEYS=OLD).drain.run(U)
    services = build(DATA_KEYS=f"{NEW},{OLD}")
    redis.delete(keys.lease(U))
    clock.pass_time(minutes=10)
    run_to_rest(services, clock)
    assert state(services, good, U) == "done"


def test_a_key_is_made_known_before_it_seals(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable(U, V)
    services = people(build(DATA_KEYS=f"plain,{NEW}"))
    message_id = text(services, "plain words", sender=PHONE)
    assert b"plain words" in everything(services)
    later = text(people(build(DATA_KEYS=NEW)), "sealed words", sender=PHONE)
    services = build(DATA_KEYS=f"plain,{NEW}")
    run_to_rest(services, clock)
    assert {state(services, message_id, U), state(services, later, U)} == {"done"}


def test_rotation_goes_past_what_is_spoilt_and_takes_waiting_links_along(
    build: Callable[..., Services], redis: Redis, clock: Clock, sandbox: SandboxControl
) -> None:
    sandbox.enable(U, V)
    services = people(build(DATA_KEYS=OLD))
    services.phones.link(V, PHONE)
    message_id = text(services, "words", sender=PHONE)
    content = str(redis.hget(keys.message(message_id), "content"))
    redis.hset(keys.message(message_id), "content", f"{content[:-8]}AAAAAAA=")
    services = build(DATA_KEYS=f"{NEW},{OLD}")
    done = services.rotation.run()
    assert (done["spoilt, left as they are"], done["links"]) == (1, 1)
    services = build(DATA_KEYS=NEW)
    assert services.phones.owners(PHONE) == [U]
    clock.pass_time(days=2)
    services.phones.step()
    assert services.installations.with_phone(PHONE) == [U]


def test_doctor_says_that_a_key_is_missing(build: Callable[..., Services], cli: Cli) -> None:
    people(build(DATA_KEYS=OLD))
    build(DATA_KEYS=NEW)
    found = cli("doctor")
    assert "DATA_KEYS lacks the key" in found.output
    assert "list that key too" in found.output


def test_a_sealed_value_is_bound_to_its_kind_and_its_key() -> None:
    vault = Vault([NEW])
    raw = vault.seal("content", "words\ud800")
    assert vault.open("content", raw) == "words\ud800"
    assert vault.seal("content", "words") != vault.seal("content", "words")
    with pytest.raises(ValueError, match="spoilt"):
        vault.open("envelope", raw)
    with pytest.raises(ValueError, match="spoilt"):
        vault.open("content", raw[:-4] + "AAAA")
    with pytest.raises(StoreUnfit):
        Vault([OLD]).open("content", raw)
    assert vault.member("+1555") == vault.member("+1555")
    assert vault.open_member(vault.member("+1555")) == "+1555"
    assert Vault([OLD, NEW]).open_member(vault.member("+1555")) == "+1555"


def test_without_the_key_of_the_names_nothing_is_written_for_anyone(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable(U)
    people(build(DATA_KEYS=OLD))
    before = set(redis.scan_iter(f"{keys.PREFIX}*"))
    services = build(DATA_KEYS=NEW)
    for _ in range(3):
        with pytest.raises(StoreUnfit):
            text(services, "words", sender=PHONE)
        with pytest.raises(StoreUnfit):
            services.installations.add("another", now=clock())
    assert set(redis.scan_iter(f"{keys.PREFIX}*")) == before


def test_a_store_that_is_begun_anew_has_new_names_for_processes_that_live_on(
    sealed: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    redis.flushall()
    with pytest.raises(StoreUnfit):
        sealed.installations.add(U, now=clock())
    sealed.identity.init(now=clock())
    people(sealed)
    assert U.encode() not in everything(sealed)
    accounts.use(accounts.Accounts(sealed.identity.names_key))  # another process
    assert sealed.installations.uids() == sorted((U, V))


def test_a_page_says_that_it_is_away_while_a_key_is_missing(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis
) -> None:
    browser = sign_in_anew(build, sandbox)
    assert browser.get("/me").status_code == 503


def sign_in_anew(build: Callable[..., Services], sandbox: SandboxControl) -> Browser:
    """A browser that was signed in by a process with the old key, before one with another."""
    browser = sign_in(create_app(build(DATA_KEYS=OLD)), sandbox, V)
    cookie = browser.client.get_cookie("__Host-omi_inbox", domain="inbox.example.com")
    assert cookie is not None
    other = Browser(create_app(build(DATA_KEYS=NEW)))
    other.client.set_cookie("__Host-omi_inbox", cookie.value, domain="inbox.example.com", secure=True)
    return other


@pytest.mark.parametrize(
    "raw", ["\udcff\x02", "\udcff\x02abcd", "\udcff\x02" + "a" * 31, "e1.", "e1.x", "e1..YQ==", "e1.xxxxxxxx.YQ=="]
)
def test_what_is_left_of_a_sealed_value_is_spoilt_and_lacks_no_key(raw: str) -> None:
    with pytest.raises(ValueError, match="spoilt"):
        Vault([NEW]).open("envelope", raw)
