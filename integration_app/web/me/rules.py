"""How it arrives: the pace, and the user's own rules, tried on what came lately before they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flask import redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app.bootstrap import Services
from integration_app.model import Installation, Preferences, Then, Through, UserRule
from integration_app.operations.messages import lately
from integration_app.operations.pace import suggestion
from integration_app.pipeline.delivery.user_rules import fits, phone_of
from integration_app.text.clean import one_line
from integration_app.web import labels
from integration_app.web.actions import prefer
from integration_app.web.me import own

RULES_MAX = 30
TRIED_ON = 50
"""Messages that a rule is tried on."""
PACES = (30, 60, 300, 900, 3600, 10_800)
"""Seconds of an own quiet window."""
_ADDRESS = re.compile(r"[^\s@,;<>\"]{0,64}@[a-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rule would have done: titles of those of the last messages that it fits, of `tried`."""

    rule: UserRule
    titles: tuple[str, ...]
    tried: int


@own
def rules(services: Services, installation: Installation) -> str | AnyResponse:
    return _shown(services, installation)


@own
def change_rules(services: Services, installation: Installation) -> str | AnyResponse:
    uid = installation.uid
    have = installation.preferences.rules
    match request.form.get("do", ""):
        case "pace":
            prefer(services, uid, **_pace(installation.preferences))
        case "try" | "save" as what:
            rule = asked(has_tasks=services.omi.is_personal)
            if rule is None or len(have) >= RULES_MAX:
                session["problem"] = "rule" if rule is None else "too many rules"
            elif what == "try":
                return _shown(services, installation, _tried(services, uid, rule))
            else:
                prefer(services, uid, rules=(rule, *(row for row in have if row != rule)))
        case "remove":
            prefer(services, uid, rules=_without(have, _place(have)))
        case "first":
            at = _place(have)
            prefer(services, uid, rules=(*have[at : at + 1], *_without(have, at)))
    if "problem" not in session:
        session["done"] = "saved"
        services.due.set(uid, services.clock())  # what waits is looked at anew
    return redirect(url_for("setup.rules"), 303)


def asked(*, has_tasks: bool) -> UserRule | None:
    """The rule of a form; None where it names nothing, or not as it must be."""
    form = request.form
    sender = one_line(form.get("sender", ""), 320).lower()
    word = one_line(form.get("word", ""), 60)
    try:
        rule = UserRule(Then(form.get("then", "")), Through(form.get("through", "")), sender, word)
    except ValueError:
        return None
    if sender and "@" not in sender:
        number = phone_of(sender)
        if not number:
            return None
        rule = replace(rule, sender=number)
    elif sender and not _ADDRESS.fullmatch(sender):
        return None
    if rule.then is Then.TASKS and not has_tasks:
        return None
    return rule if rule.through or sender or word else None


def _shown(services: Services, installation: Installation, trial: Trial | None = None) -> str:
    days = round(services.settings.quarantine_days)
    return render_template(
        "me/rules.html",
        preferences=installation.preferences,
        rules=[labels.rule(row, days) for row in installation.preferences.rules],
        trial=trial,
        tried=labels.rule(trial.rule, days) if trial else None,
        paces=_paces(installation.preferences),
        suggested=suggestion(services, installation, [seconds for seconds in PACES if seconds >= 60]),
        thens=labels.thens(has_tasks=services.omi.is_personal, days=days),
        quiet=round(services.settings.sms_quiet_seconds),
        problem=session.pop("problem", None),
        done=session.pop("done", None),
    )


def _tried(services: Services, uid: str, rule: UserRule) -> Trial:
    found = list(lately(services, uid, limit=TRIED_ON))
    fitting = [prepared for story, prepared in found if not story.message.hints and fits(rule, story.message, prepared)]
    return Trial(rule, tuple(labels.title(prepared) for prepared in fitting), len(found))


def _paces(preferences: Preferences) -> list[int]:
    """What can be chosen, and what was chosen elsewhere."""
    return sorted({*PACES, *([preferences.quiet_seconds] if preferences.quiet_seconds else [])})


def _pace(preferences: Preferences) -> dict[str, object]:
    asked_pace, hour = request.form.get("pace", ""), request.form.get("hour", "")
    is_one = asked_pace.isdecimal() and int(asked_pace) in _paces(preferences)
    seconds = int(asked_pace) if is_one else None
    changed = replace(preferences, quiet_seconds=seconds, daily=asked_pace == "daily")
    if hour.isdecimal() and int(hour) < 24:
        changed = replace(changed, daily_hour=int(hour))
    return {name: getattr(changed, name) for name in ("quiet_seconds", "daily", "daily_hour")}


def _place(rules: tuple[UserRule, ...]) -> int:
    """Which of them a form means; behind the last for none."""
    number = request.form.get("number", "")
    return int(number) if number.isdecimal() and int(number) < len(rules) else len(rules)


def _without(rules: tuple[UserRule, ...], at: int) -> tuple[UserRule, ...]:
    return (*rules[:at], *rules[at + 1 :])
