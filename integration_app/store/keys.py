"""Every key of ours in Redis, in one place. All start with one prefix, so that RQ's keys beside them are apart.

Where it says uid, it is what the uid is called here: see accounts.py.

oi:store                   hash: this store is ours: id, epoch, schema, the server that was last here,
                           the key of the names
oi:at:<epoch>:<route>      set: numbers of the shards that a route leads to; expires. Only with several shards
oi:arriving · oi:departed  hash: uid → JSON, while a user moves between shards · oi:incoming:<uid>: the installation ·
oi:mover                   the process that moves users; expires · oi:mover-fence: the last that came to write here
oi:spoilt:<key>            a key that could not be read, put aside; expires · oi:put-aside: one was, lately
oi:held                    hash: uid → how often its lease was taken and not given back
oi:failing                 sorted set: uid by the time (ms) at which its drain failed · oi:alarm:<cause>: told lately
oi:sweep                   how far retention has come
oi:seq · oi:fence          counters: the order of arrival over all messages, fencing tokens of leases
oi:seen-in:<ten days>:<n>  hash: digest of a dedupe key → id of the message that this event became; expires
oi:seen-plan               hash: ten days → how many of those there are, and the seq at their beginning
oi:seen:<dedupe key>       the same, as versions before 0.4 write and read it; expires
oi:message:<id>            hash: envelope, content (until prepared), prepared, state:<uid> …
oi:story:<id>              list: what happened to the message, as JSON
oi:messages                sorted set: message id by time of arrival, but for those that are packed
oi:packed:<id>             a delivered message, hash and story in one · oi:packed-ids: list · oi:packed-to: how far ·
oi:unpacked:<id>           it is not to be packed now; expires · oi:still-listed: set: ids that are unpacked again, and
                           keep their place in oi:packed-ids
oi:of:<uid>                sorted set: ids of the latest messages of a uid, by seq
oi:outbox:<uid>            sorted set: ids of the messages waiting for a uid, by seq
oi:open:<uid>              sorted set: deliveries of a uid that were begun and have no outcome yet
oi:delivery:<id>           hash: one delivery
oi:settling:<id>           exists while a delivery may still turn up in Omi; expires
oi:parked                  sorted set: parked deliveries (dead letters) by time
oi:replay:<id>             hash: a replay of many · oi:replay-ids:<id>: what is still to come · oi:replays: running ones
oi:used:<uid>:<kind>       calls in the running hour; expires · oi:limits:<uid>: what Omi said its limits are
oi:transcribed:<uid>:<day>  recordings that were turned into words; expires
oi:quarantine              sorted set: "<message id> <uid>" by the time (ms) of arrival
oi:due                     sorted set: uid by the time (ms) of its next drain
oi:lease:<uid>             fencing token of the worker that holds the outbox; expires
oi:poke:<uid>              wake flag: the holder of the lease looks once more; expires
oi:gate:<scope>            hash: until, reason, tries
oi:installation:<uid>      hash · oi:installations: set of uids · oi:left: those who left, by the time (ms) ·
oi:complete                what earlier versions did not write has been filled in
oi:phones:<uid>            set of numbers · oi:phone:<number>: set of uids ·
oi:inbox:<digest of token> uid
oi:wrong:<digest>          wrong login codes in a row of this uid; oi:locked: no more codes are sent; expire
oi:audit                   what operators did
oi:rewrite                 the append-only file is to be written anew · oi:rewritten, oi:recounted: done lately; expire
oi:swept                   when retention was last looked after
oi:refused:<provider>      the last requests that a door refused; expires · oi:last: when one was genuine
oi:alerts                  hash: a cause → what operators were told of it · oi:acknowledged: who looks after it
oi:turn:<what>             it is done; expires
oi:provisional             links of shared phones that end unless confirmed
oi:notices                 what users are to be told · oi:noticed:<uid>:<words>: they were lately; expires
oi:import:<uid>            hash: an import · -items: what is still to be taken · -ids: what was
oi:imports                 set: uids whose import runs
oi:daily · oi:arrived:<uid>  sorted set: whom to tell how many arrived, by when (ms) · how many did
oi:mailbox:<digest>        hash: how far a mailbox was read, since when · …:reader: who does · …:later: what waits
oi:feed                    stream: what endpoints of operators are told · oi:endpoints: set of their ids
oi:endpoint:<id>           hash · …:again: events by their next time · …:tries · …:failed · …:log · …:lease; expires
oi:due-endpoints           sorted set: endpoint by the time (ms) at which it is told more
oi:undo:<uid>               preferences before the last change; expires
oi:load:<uid>              bytes waiting and held · oi:day:<uid>:<day>: of a day · oi:sent:<digest>: in a minute; expire
oi:code:<digest>           hash: digest of a login code, tries; expires
oi:sends:<what>:<digest>   codes sent, or wrong ones tried, in the running hour; expires
oi:sessions:<uid>          hash: digest of a session → when and on what it was begun; expires
oi:link:<digest>           uid that a link code is for; expires · oi:link-of:<uid>: its digest
oi:delivered:<digest>      a signed call of Omi's that was seen; expires
oi:rates:<five minutes>    hash: what was counted in these five minutes; expires
oi:nonce:<value>           left by doctor, for web to know · oi:probe: of health checks; expire
oi:probing                 uid that tries whether a gate for everybody may open; expires
oi:budget · oi:booked      the fleet's requests per minute, and who has booked a place
oi:failures · …-uids       calls in a row that Omi did not answer, and whose · oi:limited · …-uids: answered 429
oi:counters · oi:workers   hash: what was counted · sorted set: worker process by its last sign of life
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from integration_app.store.accounts import name_of

PREFIX = "oi:"

STORE = f"{PREFIX}store"
ANCHOR = f"{PREFIX}anchor"
"""A key that is never there."""
SPOILT, PUT_ASIDE = f"{PREFIX}spoilt:", f"{PREFIX}put-aside"
AT = f"{PREFIX}at:"
HELD = f"{PREFIX}held"
FAILING = f"{PREFIX}failing"
SWEEP = f"{PREFIX}sweep"
SEQ = f"{PREFIX}seq"
FENCE = f"{PREFIX}fence"
MESSAGES = f"{PREFIX}messages"
PARKED = f"{PREFIX}parked"
QUARANTINE = f"{PREFIX}quarantine"
DUE = f"{PREFIX}due"
INSTALLATIONS = f"{PREFIX}installations"
LEFT = f"{PREFIX}left"
COMPLETE = f"{PREFIX}complete"
COUNTERS = f"{PREFIX}counters"
WORKERS = f"{PREFIX}workers"
REPLAYS = f"{PREFIX}replays"
PROBE = f"{PREFIX}probe"
PROBING = f"{PREFIX}probing"
BUDGET = f"{PREFIX}budget"
BOOKED = f"{PREFIX}booked"
FAILURES = f"{PREFIX}failures"
FAILED_UIDS = f"{PREFIX}failed-uids"
LIMITED = f"{PREFIX}limited"
LIMITED_UIDS = f"{PREFIX}limited-uids"
SWEPT = f"{PREFIX}swept"
ARRIVING, DEPARTED = f"{PREFIX}arriving", f"{PREFIX}departed"
MOVER_FENCE = f"{PREFIX}mover-fence"
RECOUNTED = f"{PREFIX}recounted"
REWRITE = f"{PREFIX}rewrite"
REWRITTEN = f"{PREFIX}rewritten"
AUDIT = f"{PREFIX}audit"
ALERTS = f"{PREFIX}alerts"
ACKNOWLEDGED = f"{PREFIX}acknowledged"
TOTP = f"{PREFIX}totp"
PROVISIONAL = f"{PREFIX}provisional"
NOTICES = f"{PREFIX}notices"
IMPORTS = f"{PREFIX}imports"
DAILY = f"{PREFIX}daily"
LAST = f"{PREFIX}last"
FEED = f"{PREFIX}feed"
ENDPOINTS = f"{PREFIX}endpoints"
DUE_ENDPOINTS = f"{PREFIX}due-endpoints"
ENDPOINT = f"{PREFIX}endpoint:"

MESSAGE = f"{PREFIX}message:"
STORY = f"{PREFIX}story:"
PACKED, PACKED_IDS, PACKED_TO = f"{PREFIX}packed:", f"{PREFIX}packed-ids", f"{PREFIX}packed-to"
UNPACKED, STILL_LISTED = f"{PREFIX}unpacked:", f"{PREFIX}still-listed"
OUTBOX = f"{PREFIX}outbox:"
OF = f"{PREFIX}of:"
INSTALLATION = f"{PREFIX}installation:"
LEASE = f"{PREFIX}lease:"
OPEN = f"{PREFIX}open:"
DELIVERY = f"{PREFIX}delivery:"
POKE = f"{PREFIX}poke:"
PHONES = f"{PREFIX}phones:"
LOAD = f"{PREFIX}load:"
DAY = f"{PREFIX}day:"
SENT = f"{PREFIX}sent:"
GATE = f"{PREFIX}gate:"
GATE_UID = f"{GATE}uid:"
SEEN, SEEN_IN, SEEN_PLAN = f"{PREFIX}seen:", f"{PREFIX}seen-in:", f"{PREFIX}seen-plan"
THROTTLE = f"{PREFIX}throttle"

TABLE = {
    "store": STORE, "spoilt": SPOILT, "at": AT, "held": HELD,
    "seq": SEQ, "fence": FENCE, "messages": MESSAGES, "parked": PARKED, "quarantine": QUARANTINE, "due": DUE,
    "mover_fence": MOVER_FENCE,
    "installations": INSTALLATIONS, "counters": COUNTERS, "replays": REPLAYS, "probing": PROBING, "budget": BUDGET,
    "booked": BOOKED, "failures": FAILURES, "failed_uids": FAILED_UIDS, "limited": LIMITED,
    "limited_uids": LIMITED_UIDS, "message": MESSAGE, "story": STORY, "outbox": OUTBOX, "of": OF,
    "packed": PACKED, "packed_ids": PACKED_IDS, "unpacked": UNPACKED, "still_listed": STILL_LISTED,
    "installation": INSTALLATION, "lease": LEASE, "open": OPEN, "delivery": DELIVERY, "poke": POKE, "phones": PHONES,
    "seen": SEEN, "seen_in": SEEN_IN, "seen_plan": SEEN_PLAN, "load": LOAD, "day": DAY, "sent": SENT,
    "gate_all": f"{GATE}all", "gate_all_of_kind": f"{GATE}all:", "gate_uid": GATE_UID, "imports": IMPORTS, "last": LAST,
    "feed": FEED, "endpoints": ENDPOINTS, "due_endpoints": DUE_ENDPOINTS, "endpoint": ENDPOINT,
}  # fmt: skip
"""What Lua calls `K.<name>`: whole keys, and prefixes that a uid or an id is put behind."""

FORWARD = ">"
"""Before the number of a shard and a uid, where the route of one who has moved was: no name of a uid begins so."""

MARKS = ("state", "tried", "last", "epoch", "suspect", "made", "free")
"""Fields of a message that stand there once for each uid, as `<mark>:<uid>`."""

RATE_SLOT = timedelta(minutes=5)


def message(message_id: str) -> str:
    return f"{MESSAGE}{message_id}"


def story(message_id: str) -> str:
    return f"{STORY}{message_id}"


def packed(message_id: str) -> str:
    return f"{PACKED}{message_id}"


def spoilt(key: str) -> str:
    """Where a key is put that cannot be read."""
    return f"{SPOILT}{key}"


def unpacked(message_id: str) -> str:
    return f"{UNPACKED}{message_id}"


def outbox(uid: str) -> str:
    return f"{OUTBOX}{name_of(uid)}"


def of(uid: str) -> str:
    return f"{OF}{name_of(uid)}"


def open_deliveries(uid: str) -> str:
    return f"{OPEN}{name_of(uid)}"


def delivery(delivery_id: str) -> str:
    return f"{DELIVERY}{delivery_id}"


def lease(uid: str) -> str:
    return f"{LEASE}{name_of(uid)}"


def settling(delivery_id: str) -> str:
    return f"{PREFIX}settling:{delivery_id}"


def poke(uid: str) -> str:
    return f"{POKE}{name_of(uid)}"


def gate(scope: str) -> str:
    return f"{GATE}{scope}"


def replay(replay_id: str) -> str:
    return f"{PREFIX}replay:{replay_id}"


def replay_ids(replay_id: str) -> str:
    return f"{PREFIX}replay-ids:{replay_id}"


def used(uid: str, kind: str) -> str:
    return f"{PREFIX}used:{name_of(uid)}:{kind}"


def alarm(cause: str) -> str:
    return f"{PREFIX}alarm:{hashlib.sha256(cause.encode()).hexdigest()[:16]}"


def transcribed(uid: str, day: datetime) -> str:
    return f"{PREFIX}transcribed:{name_of(uid)}:{day:%Y-%m-%d}"


def limits(uid: str) -> str:
    return f"{PREFIX}limits:{name_of(uid)}"


def installation(uid: str) -> str:
    return f"{INSTALLATION}{name_of(uid)}"


def phones(uid: str) -> str:
    return f"{PHONES}{name_of(uid)}"


def arrived(uid: str) -> str:
    return f"{PREFIX}arrived:{name_of(uid)}"


def undo(uid: str) -> str:
    return f"{PREFIX}undo:{name_of(uid)}"


def imported(uid: str) -> str:
    return f"{PREFIX}import:{name_of(uid)}"


def import_items(uid: str) -> str:
    return f"{PREFIX}import-items:{name_of(uid)}"


def import_ids(uid: str) -> str:
    return f"{PREFIX}import-ids:{name_of(uid)}"


def endpoint(name: str) -> str:
    return f"{ENDPOINT}{name}"


def endpoint_again(name: str) -> str:
    return f"{endpoint(name)}:again"


def endpoint_tries(name: str) -> str:
    return f"{endpoint(name)}:tries"


def endpoint_failed(name: str) -> str:
    return f"{endpoint(name)}:failed"


def endpoint_log(name: str) -> str:
    return f"{endpoint(name)}:log"


def endpoint_lease(name: str) -> str:
    return f"{endpoint(name)}:lease"


def mailbox(digest: str) -> str:
    return f"{PREFIX}mailbox:{digest}"


def load(uid: str) -> str:
    return f"{LOAD}{name_of(uid)}"


def day(uid: str, moment: datetime) -> str:
    return f"{DAY}{name_of(uid)}:{day_of(moment)}"


def day_of(moment: datetime) -> int:
    return int(moment.timestamp() // 86_400)


def phone(name: str) -> str:
    """`name`: what the vault calls the number."""
    return f"{PREFIX}phone:{name}"


def inbox(token: str) -> str:
    """The private token is a capability: only its digest is a key, so a lookup compares nothing secret."""
    return f"{PREFIX}inbox:{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


def turn(what: str) -> str:
    return f"{PREFIX}turn:{what}"


def noticed(uid: str, words: str) -> str:
    return f"{PREFIX}noticed:{name_of(uid)}:{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def nonce(value: str) -> str:
    return f"{PREFIX}nonce:{value}"


def refused(provider: str) -> str:
    return f"{PREFIX}refused:{provider}"


def wrong(digest: str) -> str:
    return f"{PREFIX}wrong:{digest}"


def locked(digest: str) -> str:
    return f"{PREFIX}locked:{digest}"


def code(digest: str) -> str:
    return f"{PREFIX}code:{digest}"


def codes_of(digest: str) -> str:
    return f"{PREFIX}codes:{digest}"


def sends(what: str, digest: str) -> str:
    return f"{PREFIX}sends:{what}:{digest}"


def sessions(uid: str) -> str:
    return f"{PREFIX}sessions:{name_of(uid)}"


def link(digest: str) -> str:
    return f"{PREFIX}link:{digest}"


def link_of(uid: str) -> str:
    return f"{PREFIX}link-of:{name_of(uid)}"


def delivered(digest: str) -> str:
    return f"{PREFIX}delivered:{digest}"


def rates(slot: int) -> str:
    return f"{PREFIX}rates:{slot}"


def rate_slot(moment: datetime) -> int:
    return int(moment.timestamp() // RATE_SLOT.total_seconds())


def rates_at(moment: datetime) -> str:
    return rates(rate_slot(moment))
