"""The page at `/`: everything that the sandbox holds, live, with a few buttons. Readable on a phone, no build step.

A form posts to `/_sandbox/do`, and the page comes back; without JavaScript too.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from integration_app.sandbox.faults import Faults
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import State

_CALLS_SHOWN = 60
_MINUTE = {"fault": "rate_limited", "times": None, "retry_after": 60}


def install(app: Flask, state: State, limits: Limits, faults: Faults) -> None:
    @app.get("/")
    def inspector() -> str:
        with state.lock:
            return render_template("inspector.html", **_everything(state, limits, faults))

    @app.post("/_sandbox/do")
    def do() -> AnyResponse:
        """What a button does."""
        what, uid = request.form.get("what", ""), request.form.get("uid", "").strip()
        if what in ("enable", "disable") and uid:
            state.enable(uid, request.form.get("app"), what == "enable")
        elif what == "429":
            faults.add(_MINUTE | {"uid": uid or None, "until": state.clock() + 60})
        elif what == "mend":
            faults.clear()
        elif what == "key" and uid:
            _, secret = state.make_key(uid, "inspector", None)
            return redirect(f"/?key={secret}", 303)
        return redirect("/", 303)


def _everything(state: State, limits: Limits, faults: Faults) -> dict[str, Any]:
    own = next(iter(state.apps.values()))
    return {
        "apps": list(state.apps.values()),
        "own": own,
        "key": request.args.get("key"),
        "users": sorted(state.users.values(), key=lambda user: user.uid),
        "calls": list(state.calls)[: -_CALLS_SHOWN - 1 : -1],
        "total": len(state.calls),
        "faults": faults.view(),
        "limits": limits.snapshot(),
        "boost": limits.boost,
        "is_enabled": state.is_enabled,
        "when": lambda at: time.strftime("%H:%M:%S", time.gmtime(at)),
    }
