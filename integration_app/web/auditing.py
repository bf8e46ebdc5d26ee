"""Every act of an operator leaves a line: what was asked for, and which ids; looking at words is an act, too."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from redis.exceptions import RedisError

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.store.audit import Act
from integration_app.web.security import caller

log = logs.get(__name__)

_IDS = ("id", "ids", "uid", "what", "replay", "blind", "sure", "rate", "without_a_look")
"""Of a form, or of a JSON body: what says which; a password and words never do."""
_LONGEST = 500


def install(blueprint: Blueprint, services: Services, by: str, *, reads: tuple[str, ...] = ()) -> None:
    """`reads`: endpoints whose GET shows people's words."""

    @blueprint.after_request
    def _note(response: Response) -> Response:
        endpoint = (request.endpoint or "").rpartition(".")[2]
        acts = request.method not in ("GET", "HEAD", "OPTIONS") or endpoint in reads
        if acts and response.status_code not in (401, 404, 405, 429):
            outcome = "refused" if response.status_code >= 400 else endpoint
            what = endpoint if outcome == endpoint else f"{endpoint}, {outcome}"
            who = f"{g.operator}, " if "operator" in g else ""
            act = Act(services.clock(), f"{by}, {who}from {caller()}", what, _about())
            try:
                services.audit.note(act)
            except (RedisError, OSError):
                log.warning("not in the audit", what=what)
        return response


def _about() -> dict[str, str]:
    found = {name: str(value) for name, value in (request.view_args or {}).items()}
    try:
        body = request.get_json(silent=True) if request.is_json else None
    except RecursionError:
        body = None
    given = body if isinstance(body, dict) else {}
    for name in _IDS:
        values = request.form.getlist(name) or ([given[name]] if name in given else [])
        if values:
            found[name] = ", ".join(map(str, values))[:_LONGEST]
    return found
