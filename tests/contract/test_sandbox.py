"""The sandbox against Omi's wire contract: check order, statuses, exact texts, limits. Spoken to as bare HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox_control import SandboxControl

CONVERSATIONS, MEMORIES = "/user/conversations", "/user/memories"
READ_CONVERSATIONS, READ_MEMORIES, NOTIFICATION = "/conversations", "/memories", "/notification"
ROUTES = {
    "A": ("POST", CONVERSATIONS, {"text": "t"}),
    "B": ("POST", MEMORIES, {"text": "t"}),
    "C": ("GET", READ_CONVERSATIONS, None),
    "D": ("GET", READ_MEMORIES, None),
    "F": ("POST", f"{NOTIFICATION}?message=hi", None),
}


def detail(answer: requests.Response) -> Any:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()["detail"]


def call(sandbox: SandboxControl, route: str, uid: str | None = "u", **how: Any) -> requests.Response:
    method, path, body = ROUTES[route]
    if uid is not None:
        path += f"{'&' if '?' in path else '?'}uid={uid}"
    how.setdefault("json", body)
    if "data" in how:
        how.pop("json")
    return sandbox.call(method, path, **how)


# --- check order ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES)
def test_validation_comes_before_authentication(sandbox: SandboxControl, route: str) -> None:
    answer = call(sandbox, route, uid=None, key=None)
    assert answer.status_code == 422
    assert detail(answer) == [{"type": "missing", "loc": ["query", "uid"], "msg": "Field required", "input": None}]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("header", [None, "bearer x", "Basic x", "Bearer"])
def test_a_missing_header_is_401(sandbox: SandboxControl, route: str, header: str | None) -> None:
    answer = call(sandbox, route, key=None, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert detail(answer) == "Missing or invalid Authorization header. Must be 'Bearer API_KEY'"


@pytest.mark.parametrize(
    ("route", "text"),
    [("A", "Invalid integration API key"), ("B", "Invalid integrationAPI key")]
    + [(route, "Invalid API key") for route in "CF"]
    + [("D", "Invalid integrationAPI key")],
)
def test_a_wrong_key_or_app_is_403_with_the_routes_own_words(sandbox: SandboxControl, route: str, text: str) -> None:
    sandbox.enable("u")
    for how in ({"key": "sk_wrong"}, {"app_id": "no-such-app"}):
        answer = call(sandbox, route, **how)
        assert (answer.status_code, detail(answer)) == (403, text)


def test_the_key_works_without_its_prefix(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    assert call(sandbox, "A", key=sandbox.api_key.removeprefix("sk_")).status_code == 200


@pytest.mark.parametrize("route", "ABCD")
def test_not_enabled(sandbox: SandboxControl, route: str) -> None:
    answer = call(sandbox, route)
    assert (answer.status_code, detail(answer)) == (403, "App is not enabled for this user")


def test_not_installed(sandbox: SandboxControl) -> None:
    answer = call(sandbox, "F")
    assert (answer.status_code, detail(answer)) == (403, "User does not have this app installed")


@pytest.mark.parametrize(
    ("route", "words"),
    [("A", "create conversations"), ("B", "create memories"), ("C", "read conversations"), ("D", "read memories")],
)
def test_no_capability(sandbox: SandboxControl, route: str, words: str) -> None:
    sandbox.enable("u")
    sandbox.app(actions=[])
    answer = call(sandbox, route)
    assert (answer.status_code, detail(answer)) == (403, f"App does not have the capability to {words}")


def test_calls_for_users_who_never_enabled_burn_the_limit(sandbox: SandboxControl) -> None:
    statuses = [call(sandbox, "A").status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]


# --- 422 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "body", "expected"),
    [
        ("A", {}, {"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": {}}),
        ("B", {"memories": [{"content": "x"}]}, {"type": "missing", "loc": ["body", "text"]}),
        (
            "A",
            {"text": None},
            {"type": "string_type", "loc": ["body", "text"], "msg": "Input should be a valid string", "input": None},
        ),
        (
            "A",
            {"text": "t", "text_source": "email"},
            {
                "type": "enum",
                "loc": ["body", "text_source"],
                "msg": "Input should be 'audio_transcript', 'message' or 'other_text'",
                "input": "email",
                "ctx": {"expected": "'audio_transcript', 'message' or 'other_text'"},
            },
        ),
        (
            "B",
            {"text": "t", "text_source": "message"},
            {"type": "enum", "msg": "Input should be 'email', 'social_post' or 'other'", "input": "message"},
        ),
        (
            "A",
            {"text": "t", "started_at": "now"},
            {
                "type": "datetime_from_date_parsing",
                "loc": ["body", "started_at"],
                "msg": "Input should be a valid datetime or date, input is too short",
            },
        ),
        ("B", {"text": None, "memories": [{}]}, {"type": "missing", "loc": ["body", "memories", 0, "content"]}),
        ("B", {"text": None, "memories": {}}, {"type": "list_type", "loc": ["body", "memories"]}),
        ("A", {"text": "t", "geolocation": {"latitude": 91, "longitude": 0}}, {"type": "less_than_equal"}),
        ("A", {"text": "t", "geolocation": {"latitude": 1}}, {"type": "missing"}),
    ],
)
def test_invalid_bodies(sandbox: SandboxControl, route: str, body: Any, expected: dict[str, Any]) -> None:
    answer = call(sandbox, route, json=body)
    assert answer.status_code == 422
    assert expected.items() <= detail(answer)[0].items()


@pytest.mark.parametrize(
    ("data", "headers", "expected"),
    [
        (b'{"text":x}', {"Content-Type": "application/json"}, {"type": "json_invalid", "loc": ["body", 8], "msg": "JSON decode error", "input": {}, "ctx": {"error": "Expecting value"}}),
        (b"", {}, {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
        (b"text=t", {"Content-Type": "application/x-www-form-urlencoded"}, {"type": "model_attributes_type", "loc": ["body"], "input": "text=t"}),
        (b'["t"]', {"Content-Type": "application/json"}, {"type": "model_attributes_type"}),
        (b'{"text":"t"}', {"Content-Type": "text/plain"}, {"type": "model_attributes_type"}),
    ],
)  # fmt: skip
def test_bodies_that_are_no_json_object(
    sandbox: SandboxControl, data: bytes, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    answer = call(sandbox, "A", data=data, headers=headers)
    assert answer.status_code == 422
    assert expected.items() <= detail(answer)[0].items()


@pytest.mark.parametrize("value", ["1001", "0", "x"])
def test_limits_of_a_page(sandbox: SandboxControl, value: str) -> None:
    answer = sandbox.call("GET", f"{READ_CONVERSATIONS}?uid=u&limit={value}")
    assert answer.status_code == 422
    assert detail(answer)[0]["input"] == value
    if value == "1001":
        assert detail(answer)[0]["msg"] == "Input should be less than or equal to 1000"


def test_neither_text_nor_memories(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    for body in ({"text": None}, {"text": " ", "memories": []}):
        answer = call(sandbox, "B", json=body)
        assert answer.status_code == 422
        assert detail(answer) == "Either text or explicit memories(facts) are required and cannot be empty"


def test_an_empty_text_and_an_empty_uid_pass_validation(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    assert call(sandbox, "A", json={"text": ""}).json() == {}
    assert call(sandbox, "A", uid="").status_code == 403


def test_unknown_fields_and_parameters_are_ignored(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    answer = sandbox.call("POST", f"{CONVERSATIONS}?uid=u&x=1", json={"text": "t", "id": "mine", "source": "mine"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert sandbox.conversations("u")[0]["source"] == "external_integration"


# --- paths ------------------------------------------------------------------------------------------------------


def test_paths_that_do_not_exist(sandbox: SandboxControl) -> None:
    assert (sandbox.call("POST", "/user/facts").status_code, sandbox.call("POST", "/user/facts").json()) == (
        404,
        {"detail": "Not Found"},
    )
    answer = sandbox.call("GET", CONVERSATIONS)
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert sandbox.call("POST", f"{CONVERSATIONS}/?uid=u", json={"text": "t"}).status_code == 307


# --- rate limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "limit"), [("A", 10), ("B", 60)])
def test_the_base_limits(sandbox: SandboxControl, route: str, limit: int) -> None:
    sandbox.enable("u")
    answers = [call(sandbox, route) for _ in range(limit + 1)]
    assert [answer.status_code for answer in answers] == [200] * limit + [429]
    assert not any(name.lower().startswith("x-ratelimit") for name in answers[0].headers)
    last = answers[-1]
    seconds = int(last.headers["Retry-After"])
    assert 3590 <= seconds <= 3600
    assert (last.headers["X-RateLimit-Limit"], last.headers["X-RateLimit-Remaining"]) == (str(limit), "0")
    assert detail(last) == f"Rate limit exceeded. Try again in {seconds}s."
    assert "X-RateLimit-Reset" not in last.headers


def test_limits_are_per_user_and_can_be_boosted(sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    for _ in range(10):
        call(sandbox, "A")
    assert call(sandbox, "A", uid="v").status_code == 200
    sandbox.boost(100)
    assert call(sandbox, "A").status_code == 200


def test_ten_notifications_an_hour(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    answers = [call(sandbox, "F") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].json() == {"status": "Ok"}
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == [
        str(n) for n in (9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
    ]
    assert 0 < int(answers[0].headers["X-RateLimit-Reset"]) <= 3600
    assert detail(answers[-1]) == "Rate limit exceeded. Maximum 10 notifications per hour."
    sent = requests.get(f"{sandbox.url}/_sandbox/notifications", params={"uid": "u"}, timeout=5).json()
    assert len(sent["notifications"]) == 10


# --- what is stored and read back -----------------------------------------------------------------------------------


def test_a_conversation_comes_back_as_external_data(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    body = {
        "text": "Mom: Milk?\n\nMe: Will do!",
        "text_source": "message",
        "text_source_spec": "sms",
        "started_at": "2026-11-20T10:00:00.000042+02:00",
    }
    assert call(sandbox, "A", json=body).status_code == 200
    (row,) = call(sandbox, "C").json()["conversations"]
    assert row["created_at"] == row["started_at"] == "2026-11-20T08:00:00.000042Z"
    assert row["finished_at"] == "2026-11-20T08:05:00.000042Z"
    assert (row["source"], row["app_id"], row["status"]) == ("external_integration", sandbox.app_id, "completed")
    assert "text" not in row
    assert "geolocation" not in row
    assert row["transcript_segments"] == []
    assert row["external_data"]["text"] == body["text"]
    assert row["external_data"]["geolocation"] is None
    assert row["structured"]["title"] == "Milk? Me: Will do!"


def test_conversations_are_sorted_filtered_and_paged(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    for day in (18, 20, 19):
        call(sandbox, "A", json={"text": str(day), "started_at": f"2026-11-{day}T08:00:00Z"})

    def days(query: str) -> list[str]:
        rows = sandbox.call("GET", f"{READ_CONVERSATIONS}?uid=u{query}").json()["conversations"]
        return [row["external_data"]["text"] for row in rows]

    assert days("") == ["20", "19", "18"]
    assert days("&limit=1&offset=1") == ["19"]
    assert days("&start_date=2026-11-19&end_date=2026-11-19") == ["19"]
    assert days("&start_date=2026-11-19T08:00:00Z") == ["20", "19"]
    assert days("&start=2026-11-20") == ["20", "19", "18"]  # an unknown parameter does nothing
    assert days("&statuses=processing&statuses=completed") == ["20", "19", "18"]
    assert days("&statuses=processing,completed") == []  # commas are not split


def test_a_date_that_is_none(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    answer = sandbox.call("GET", f"{READ_CONVERSATIONS}?uid=u&start_date=soon")
    expected = "Invalid start_date format. Use ISO format (YYYY-MM-DDTHH:MM:SS.sssZ) or YYYY-MM-DD"
    assert (answer.status_code, detail(answer)) == (400, expected)


def test_memories_explicit_and_mined(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    body = {
        "text": "The flight leaves at nine. Ok.",
        "memories": [{"content": "Likes tea", "tags": ["food"], "source_id": "SM1"}],
    }
    assert call(sandbox, "B", json=body).json() == {}
    rows = call(sandbox, "D").json()["memories"]
    assert {row["content"] for row in rows} == {"Likes tea", "The flight leaves at nine."}
    explicit = next(row for row in rows if row["content"] == "Likes tea")
    assert (explicit["category"], explicit["tags"], explicit["source_id"]) == ("system", ["food"], "SM1")


def test_the_same_memory_is_stored_once(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    for _ in range(2):
        call(sandbox, "B", json={"text": None, "memories": [{"content": "Likes tea"}]})
    assert len(sandbox.memories("u")) == 1


# --- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "stored"),
    [
        ("rate_limited", 429, 0),
        ("rate_limited_object", 429, 0),
        ("error_before", 500, 0),
        ("error_plain", 500, 0),
        ("error_after", 500, 1),
        ("unavailable", 503, 0),
        ("timeout_after", 504, 1),
        ("slow", 200, 1),
        ("slow_after", 200, 1),
        ("swallowed", 200, 0),
        ("drop_before", None, 0),
        ("drop_after", None, 1),
    ],
)
def test_faults(sandbox: SandboxControl, fault: str, status: int | None, stored: int) -> None:
    sandbox.enable("u")
    sandbox.fault(fault, seconds=0.05)
    if status is None:
        with pytest.raises(requests.ConnectionError):
            call(sandbox, "A")
    else:
        assert call(sandbox, "A").status_code == status
    assert len(sandbox.conversations("u")) == stored
    logged = sandbox.calls("create_conversation")
    assert [(row["status"], row["fault"]) for row in logged] == [(status, fault)]
    assert call(sandbox, "A").status_code == 200, "one fault, one time"


def test_a_fault_says_how_long_to_wait_or_not(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    sandbox.fault("429", retry_after=2)
    sandbox.fault("429")
    assert [call(sandbox, "A").headers.get("Retry-After") for _ in range(2)] == ["2", None]


@pytest.mark.parametrize("route", ["read_conversations", "read_memories", "notification"])
def test_faults_on_the_other_routes(sandbox: SandboxControl, route: str) -> None:
    sandbox.enable("u")
    letter = {"read_conversations": "C", "read_memories": "D", "notification": "F"}[route]
    for fault, status in (("429", 429), ("500", 500), ("503", 503), ("504", 504)):
        sandbox.fault(fault, route=route, retry_after=1)
        assert call(sandbox, letter).status_code == status
    assert call(sandbox, letter).status_code == 200


def test_a_refused_call_uses_up_no_fault(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    sandbox.fault("500")
    assert call(sandbox, "A", key="sk_wrong").status_code == 403
    assert call(sandbox, "A").status_code == 500


@pytest.mark.parametrize(
    "wrong", [{"fault": "429", "route": "x"}, {"fault": "429", "times": -3}, {"fault": "429", "seconds": "x"}]
)
def test_a_wrong_fault_is_refused(sandbox: SandboxControl, wrong: dict[str, Any]) -> None:
    assert requests.post(f"{sandbox.url}/_sandbox/faults", json=wrong, timeout=5).status_code == 400


def test_a_504_has_an_empty_body(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    sandbox.fault("504")
    assert call(sandbox, "A").content == b""


def test_a_fault_can_be_meant_for_one_user(sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    sandbox.fault("500", uid="v")
    assert [call(sandbox, "A", uid=uid).status_code for uid in ("u", "v")] == [200, 500]


def test_a_fault_that_does_not_exist_is_explained(sandbox: SandboxControl) -> None:
    answer = requests.post(f"{sandbox.url}/_sandbox/faults", json={"fault": "explode"}, timeout=5)
    assert answer.status_code == 400
    assert "drop_after" in answer.json()["error"]


def test_the_inspector_shows_what_arrived(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    call(sandbox, "A", json={"text": "<b>bold</b> words"})
    page = requests.get(sandbox.url, timeout=5).text
    assert "&lt;b&gt;bold&lt;/b&gt; words" in page
    assert "create_conversation" in page
