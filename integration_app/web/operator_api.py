"""`/operator/api`: what the operator's pages do, for programs. A bearer token; off unless one is set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Response, abort, jsonify, make_response, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from werkzeug.exceptions import NotFound

from integration_app import __version__, operations
from integration_app.bootstrap import Services
from integration_app.operations.checks import every
from integration_app.pipeline.upkeep.replay import DEFAULT_RATE
from integration_app.web import auditing
from integration_app.web.passwords import is_token
from integration_app.web.routes import Route, add_routes

BY = "operator (API)"


class Chosen(Schema):
    """Dead letters, and how they are sent again."""

    class Meta:
        unknown = RAISE

    ids = fields.List(
        fields.Str(validate=validate.Length(max=200)), required=True, validate=validate.Length(max=10_000)
    )
    rate = fields.Float(load_default=DEFAULT_RATE, validate=validate.Range(0.1, 6000))
    without_a_look = fields.Bool(load_default=False)


class OfUser(Schema):
    class Meta:
        unknown = RAISE

    uid = fields.Str(required=True, validate=validate.Length(max=200))


def document(services: Services) -> Response:
    return jsonify(openapi())


def overview(services: Services) -> Response:
    return jsonify(operations.overview(services))


def messages(services: Services) -> Response:
    asked = request.args
    return jsonify(
        messages=operations.messages(
            services,
            uid=asked.get("uid", ""),
            state=asked.get("state", ""),
            provider=asked.get("provider", ""),
            sender=asked.get("sender", ""),
            since=operations.moment(asked.get("since", "")),
            limit=min(max(asked.get("limit", 50, type=int), 1), 1000),
        )
    )


def message(services: Services, message_id: str) -> Response:
    found = services.timeline.show(message_id)
    if found is None:
        raise NotFound
    return jsonify(found)


def text(services: Services, message_id: str) -> Response:
    found = operations.text_of(services, message_id, by=BY, whole=request.args.get("whole") == "1")
    if found is None:
        raise NotFound
    return jsonify(text=found)


def dead_letters(services: Services) -> Response:
    uid, reason = request.args.get("uid", ""), request.args.get("reason", "")
    return jsonify(dead_letters=operations.dead_letters(services, uid=uid, reason=reason))


def cost(services: Services) -> Response:
    asked = _given(Chosen)
    return jsonify(operations.cost(services, asked["ids"], asked["rate"]))


def replay(services: Services) -> tuple[Response, int]:
    asked = _given(Chosen)
    made = operations.replay(services, asked["ids"], by=BY, rate=asked["rate"], blind=asked["without_a_look"])
    return (jsonify(replay=made), 202) if made else (jsonify(error="none of these is a dead letter"), 404)


def drop(services: Services, delivery_id: str) -> Response:
    if not services.replays.drop(delivery_id, by=BY):
        raise NotFound
    return jsonify(status="dropped")


def one_replay(services: Services, replay_id: str) -> Response:
    status = services.replays.status(replay_id)
    if status is None:
        raise NotFound
    return jsonify(
        id=status.id, state=status.state, done=status.done, total=status.total, rate=status.rate, by=status.by
    )


def cancel_replay(services: Services, replay_id: str) -> Response:
    if not services.replays.cancel(replay_id):
        raise NotFound
    return one_replay(services, replay_id)


def quarantine(services: Services) -> Response:
    rows = services.quarantine.held(limit=1000)
    return jsonify(quarantine=[{"id": row[0], "uid": row[1], "received_at": row[2].isoformat()} for row in rows])


def settle(services: Services, message_id: str, what: str) -> Response:
    uid, now = _given(OfUser)["uid"], services.clock()
    done = (
        services.quarantine.release(message_id, uid, by=BY, now=now)
        if what == "release"
        else services.quarantine.drop(message_id, uid, why=BY, now=now)
    )
    if not done:
        raise NotFound
    return jsonify(status="done")


def installations(services: Services) -> Response:
    return jsonify(installations=operations.installations(services))


def outboxes(services: Services) -> Response:
    return jsonify(outboxes=operations.outboxes(services))


def outbox(services: Services, uid: str) -> Response:
    found = operations.outbox(services, uid)
    if found is None:
        raise NotFound
    return jsonify(found)


def providers(services: Services) -> Response:
    return jsonify(providers=operations.providers(services))


def test(services: Services, name: str) -> Response:
    return jsonify(outcome=operations.send_test(services, name, _given(OfUser)["uid"]))


def audit(services: Services) -> Response:
    limit = request.args.get("limit", 200, type=int)
    rows = services.audit.latest(min(max(limit, 1), 10_000))
    return jsonify(audit=[asdict(row) | {"at": row.at.isoformat()} for row in rows])


def health(services: Services) -> Response:
    return jsonify(checks=[asdict(check) for check in every(services)])


@dataclass(frozen=True, slots=True)
class ApiRoute(Route):
    """`words`, `query` and `body` are what the document says of it."""

    words: str = ""
    query: tuple[str, ...] = ()
    body: type[Schema] | None = None


_FILTERS = ("uid", "state", "provider", "sender", "since", "limit")
_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute("/openapi.json", document, words="this document"),
    ApiRoute("/overview", overview, words="how it stands"),
    ApiRoute("/messages", messages, words="the newest messages that fit", query=_FILTERS),
    ApiRoute("/messages/<message_id>", message, words="the story of one"),
    ApiRoute("/messages/<message_id>/text", text, words="its text; showing it is logged", query=("whole",)),
    ApiRoute("/dead-letters", dead_letters, words="what was parked", query=("uid", "reason")),
    ApiRoute("/dead-letters/cost", cost, ("POST",), words="what sending again costs", body=Chosen),
    ApiRoute("/dead-letters/replay", replay, ("POST",), words="send again", body=Chosen),
    ApiRoute("/dead-letters/<delivery_id>", drop, ("DELETE",), words="drop one"),
    ApiRoute("/replays/<replay_id>", one_replay, words="how far a replay has come"),
    ApiRoute("/replays/<replay_id>", cancel_replay, ("DELETE",), words="cancel a replay"),
    ApiRoute("/quarantine", quarantine, words="what is held"),
    ApiRoute(
        "/quarantine/<message_id>/<any(release, drop):what>", settle, ("POST",), words="release or drop", body=OfUser
    ),
    ApiRoute("/installations", installations, words="the linked uids"),
    ApiRoute("/outboxes", outboxes, words="the outboxes in which messages wait"),
    ApiRoute("/outboxes/<uid>", outbox, words="one outbox: lease, deliveries, gates"),
    ApiRoute("/providers", providers, words="the doors"),
    ApiRoute("/providers/<name>/test", test, ("POST",), words="a signed test", body=OfUser),
    ApiRoute("/health", health, words="what doctor checks"),
    ApiRoute("/audit", audit, words="what operators did", query=("limit",)),
)


def blueprint(services: Services, tokens: Sequence[str]) -> Blueprint:
    api = Blueprint("operator_api", __name__, url_prefix="/operator/api")
    add_routes(api, _ROUTES, services)

    @api.before_request
    def _only_with_the_token() -> tuple[Response, int] | None:
        if request.endpoint == "operator_api.document":
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not is_token(given.strip(), tokens):
            return jsonify(error="a bearer token is needed"), 401
        return None

    auditing.install(api, services, "API", reads=("text",))

    @api.after_request
    def _private(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return api


def _given(schema: type[Schema]) -> dict[str, Any]:
    """The body as the schema reads it; what is not of its form is answered 400, with what is wrong in which field."""
    try:
        given = request.get_json(silent=True)
    except RecursionError:
        given = None
    try:
        found: dict[str, Any] = schema().load(given if isinstance(given, dict) else {})
    except ValidationError as error:
        abort(
            make_response(
                jsonify(error="the body is not of the form that openapi.json says", fields=error.messages), 400
            )
        )
    return found


def openapi() -> dict[str, Any]:
    """The document, made of the routes."""
    document = APISpec(
        "Omi Inbox, operator", __version__, "3.1.0", plugins=[MarshmallowPlugin()], security=[{"token": []}]
    )
    document.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for route in _ROUTES:
        path = re.sub(r"<(?:[^:>]*:)?(\w+)>", r"{\1}", f"/operator/api{route.rule}")
        document.path(path, operations={method.lower(): _operation(route, path) for method in route.methods})
    return document.to_dict()


def _operation(route: ApiRoute, path: str) -> dict[str, Any]:
    text = {"type": "string"}
    of_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in re.findall(r"{(\w+)}", path)]
    of_query = [{"name": name, "in": "query", "schema": text} for name in route.query]
    found: dict[str, Any] = {
        "summary": route.words,
        "parameters": [*of_path, *of_query],
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": {"type": "object"}}}},
            "202": {"description": "begun"},
            "401": {"description": "no token"},
            "404": {"description": "not there"},
        },
    }
    if route.body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
        found["responses"]["400"] = {"description": "the body is not of this form; the answer names the field"}
    return found | ({"security": []} if route.view is document else {})
