"""`make docs`: the parts of docs/ that are made of other files. A test holds that they are up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from integration_app import mailbox
from integration_app.providers import registry
from integration_app.providers.base import Outcome

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MARK = "<!-- below: the folders' setup.md, written by `make docs` -->\n"
BASE = "https://inbox.example.com"


def providers_page(page: str) -> str:
    """`docs/providers.md` with the outcome matrix, and every folder's `setup.md` below its mark."""
    page = re.sub(r"\| provider \| stored .*?\n\n", lambda _: outcome_matrix() + "\n", page, count=1, flags=re.S)
    found = [*(_setup(name) for name in registry.specs()), mailbox.setup_text().replace("# ", "## Set up: ", 1).strip()]
    return page.partition(MARK)[0] + MARK + "".join(f"\n{text}\n" for text in found)


def outcome_matrix() -> str:
    """What each provider answers, from its own table."""
    wanted = ("stored", "duplicate", "bad signature", "not configured", "malformed", "unknown recipient", "too large",
              "unavailable")  # fmt: skip
    rows = [f"| provider | {' | '.join(wanted)} |", "| --- " * (len(wanted) + 1) + "|"]
    for name, spec in registry.specs().items():
        statuses = [str(spec.provider.statuses[Outcome(outcome)]) for outcome in wanted]
        rows.append(f"| {name} | {' | '.join(statuses)} |")
    return "\n".join(rows) + "\n"


def _setup(name: str) -> str:
    text = registry.setup_text(name).replace(
        "{url_with_credentials}", BASE.replace("//", "//user:password@") + "{path}"
    )
    text = text.replace("{url}", f"{BASE}{{path}}").replace("{path}", f"/webhooks/{name}")
    return re.sub(r"^#", "## Set up:", text, count=1).strip()


_V2, _DEV = "/v2/integrations/{app}", "/v1/dev/user"
_SERVICE = {
    f"POST {_V2}/user/conversations": "delivers texts and mails",
    f"POST {_V2}/user/memories": "delivers memories, short ones as they are, long ones as text",
    f"GET {_V2}/conversations": "reads back after unknown outcomes and gaps",
    f"GET {_V2}/memories": "reads back long memories",
    f"POST {_V2}/notification": "sends codes and notices",
    f"POST {_DEV}/conversations": "delivers in personal mode",
    f"GET {_DEV}/conversations": "reads back in personal mode",
    f"POST {_DEV}/memories/batch": "delivers memories in personal mode",
    f"POST {_DEV}/action-items/batch": "delivers what is to do in personal mode",
    f"GET {_DEV}/action-items": "reads back in personal mode",
    f"POST {_DEV}/conversations/from-segments": "imports transcripts with a developer key",
}
"""What the running service does with a route; the others are the client's, the CLI's and the examples'."""


def coverage_page() -> str:
    """`docs/coverage.md`: each line of Omi's pages → client call → sandbox route → test."""
    rows = json.loads((ROOT / "tests" / "contract" / "contract.json").read_text(encoding="utf-8"))
    lines = [
        "# Coverage of Omi's pages",
        "",
        "Each line of the quick references, parameter tables and error tables of Omi's Data Import and Developer pages, and of",
        "what is only known from the wire. `import` and `developer` name the pages, `contract` the wire. Every row is played",
        "against the sandbox as bare HTTP and, where there is a call, through the client: `tests/contract/test_contract.py`.",
        "*Seen* says where an answer was seen: in Omi's own routers of 2026-05 as they ran, or in its newest code as it reads.",
        "*Service*: what the running service uses the route for. Written by `make docs` from `tests/contract/contract.json`.",
        "",
        f"{len(rows)} rows, {sum('client' in row for row in rows)} of them through the client, "
        f"{sum(_route(row) in _SERVICE for row in rows)} of routes that the service uses.",
        "",
        "What Omi's pages name and the service does not do: action items for marketplace users (v2 has no route to create",
        'them, so "todo: …" becomes a conversation, out of which Omi takes the task), and updates of conversations, memories,',
        "reminders and preferences (v2 has no such routes).",
        "",
        "| line | what | route | answer | seen | client | service |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        request = row["request"]
        call = row.get("client", {})
        said = f"`{call['call']}`" + (f" raises `{call['raises']}`" if "raises" in call else "") if call else "–"
        route, used = f"`{request['method']} {request['path']}`", _SERVICE.get(_route(row), "–")
        seen = row["seen"] if row.get("omi") is None else f"{row['seen']}, changed since"
        lines.append(
            f"| {row['seed']} | {row['name']} | {route} | {row['answer']['status']} | {seen} | {said} | {used} |"
        )
    return "\n".join(lines) + "\n"


def _route(row: dict[str, Any]) -> str:
    return f"{row['request']['method']} {row['request']['path']}"


_EXAMPLES = {"INBOX_DOMAIN", "INBOX_PHONE", "ALERT_QUIET_HOURS", "SUPPORT_EMAIL", "TRANSCRIBE_URL"}
"""Settings whose line in `.env.example` is no default."""
_MUST = {
    "OMI_APP_ID": "**must**, or `OMI_DEVELOPER_KEY`",
    "OMI_API_KEY": "**must**, or `OMI_DEVELOPER_KEY`",
    "REDIS_URL": "**must**; `omi-inbox run` brings its own",
    "DATA_KEYS": "",
    "TRUSTED_PROXIES": "1 for https, else 0",
}


def settings_page() -> str:
    """`docs/reference/settings.md`: `.env.example` as tables, section by section."""
    lines = [
        "# Settings", "",
        "From the environment, or from `.env` in the folder where a command is run. Any NAME may be given as `NAME_FILE`: the value is",
        "then the content of that file. What is marked **must** has no default. Written by `make docs` from `.env.example`.",
    ]  # fmt: skip
    said: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        setting = re.fullmatch(r"(# )?([A-Z][A-Z0-9_]+)=(.*)", line)
        if section := re.fullmatch(r"# --- (.*)", line):
            title, _, more = section[1].partition(": ") if "(" not in section[1] else (section[1], "", "")
            lines += [
                "",
                f"## {title[:1].upper()}{title[1:]}",
                "",
                *([f"{more[:1].upper()}{more[1:]}", ""] if more else []),
            ]
            lines += ["| setting | default | what |", "| --- | --- | --- |"]
            said = []
        elif setting:
            is_optional, name, value = setting.groups()
            default = (f"`{value}`" if value else "") if is_optional else "**must**"
            default = f"such as {default}" if name in _EXAMPLES else _MUST.get(name, default)
            lines.append(f"| `{name}` | {default} | {_cell(' '.join(said))} |")
            said = []
        elif line.startswith("# ") and len(lines) > 4:
            said.append(line.removeprefix("# "))
        elif not line:
            said = []
    return "\n".join(lines) + "\n"


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("<", "&lt;")


def operator_api_page() -> str:
    """`docs/reference/operator-api.md`: from its own document."""
    from integration_app.web.operator_api import openapi

    lines = [
        "# Operator API", "",
        "What the operator's pages do, as JSON: on when `OPERATOR_API_TOKEN` is set, behind `Authorization: Bearer TOKEN`. The document itself",
        "(OpenAPI 3.1) is at `/operator/api/openapi.json`. Bodies that are not of their form are answered 400, with what is wrong in which",
        "field. Written by `make docs`.", "", "| call | what | query | body |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    document = openapi()
    for path, methods in document["paths"].items():
        for method, found in methods.items():
            query = " ".join(f"`{row['name']}`" for row in found["parameters"] if row["in"] == "query")
            lines.append(f"| `{method.upper()} {path}` | {found['summary']} | {query} | {_body(document, found)} |")
    return "\n".join(lines) + "\n"


def _body(document: dict[str, Any], operation: dict[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema["$ref"].rpartition("/")[2]
    rows = document["components"]["schemas"][name]["properties"]
    return ", ".join(f"`{field}` {row['type']}" for field, row in rows.items())


def metrics_page() -> str:
    """`docs/reference/metrics.md`: every figure of `/metrics`."""
    source = (ROOT / "integration_app" / "operations" / "metrics.py").read_text(encoding="utf-8")
    gauges = re.findall(r'_gauge\("(\w+)", "([^"]+)"', source)
    families = re.findall(
        r'(Counter|Gauge)MetricFamily\(\s*f"\{_PREFIX\}_(\w+)",\s*"([^"]+)"(?:,\s*labels=\(([^)]*)\))?', source
    )
    histograms = re.findall(r'"\w+": \("(\w+)", "([^"]+)", \w+\)', source)
    rows = [(f"omi_inbox_{name}", "gauge", "", words) for name, words in gauges]
    for kind, name, words, labels in families:
        named = " ".join(f"`{label}`" for label in re.findall(r'"(\w+)"', labels))
        rows.append((f"omi_inbox_{name}" + ("_total" if kind == "Counter" else ""), kind.lower(), named, words))
    rows += [(f"omi_inbox_{name}", "histogram", "", words) for name, words in histograms]
    lines = [
        "# Metrics", "",
        "At `/metrics` when `METRICS_TOKENS` is set, in Prometheus' text form, behind `Authorization: Bearer TOKEN`. The same from every process: figures",
        "are kept in Redis. No label names a user. Merged messages are `messages_total` less `deliveries_total`, both with `state=\"done\"`. Alert rules:",
        "[`deploy/prometheus/alerts.yml`](../../deploy/prometheus/alerts.yml), a dashboard: [`deploy/grafana`](../../deploy/grafana/omi-inbox.json).",
        "Written by `make docs`.", "", "| name | kind | labels | what |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    return (
        "\n".join(
            [*lines, *(f"| `{name}` | {kind} | {labels} | {words} |" for name, kind, labels, words in sorted(rows))]
        )
        + "\n"
    )


GENERATED = {
    "coverage.md": coverage_page,
    "reference/settings.md": settings_page,
    "reference/operator-api.md": operator_api_page,
    "reference/metrics.md": metrics_page,
}
"""Pages that are written whole."""


if __name__ == "__main__":
    for name, made in GENERATED.items():
        (DOCS / name).write_text(made(), encoding="utf-8")
    page = DOCS / "providers.md"
    page.write_text(providers_page(page.read_text(encoding="utf-8")), encoding="utf-8")
