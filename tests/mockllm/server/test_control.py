from __future__ import annotations

import json
from typing import Any

import pytest
from server_for_tests import MODEL, Served, in_warp

HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
ASKED: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Is it late?"}]}


def test_the_state_says_what_is_served_and_how_it_stands() -> None:
    async def talk(served: Served) -> Any:
        await served.create()
        return (await served.http.get("/_mock/state")).json(), served.loop.time()

    state, now_s = in_warp(talk)
    assert state["profile"] == "test"
    assert state["model"] == MODEL
    assert state["run"] == {"name": "", "seed": 1, "run": 0, "plausible": 0, "cache_start": "cold"}
    assert (state["requests"], state["faults"], state["runs"], state["time_s"]) == (1, [], 1, now_s)


def test_the_log_shows_plan_beside_actual_and_the_bodies_where_they_are_asked_for() -> None:
    async def talk(served: Served) -> tuple[Any, Any]:
        await served.create()
        await served.http.post("/v1/messages", content=b"{broken", headers=HEADERS)
        plain = (await served.http.get("/_mock/requests")).json()
        return plain, (await served.http.get("/_mock/requests?bodies=true")).json()

    plain, full = in_warp(talk)
    assert plain["total"] == 2
    good, bad = plain["requests"]
    assert good["planned"]["end_s"] == good["actual"]["end_s"] > 0.5
    assert good["first_late_s"] == 0.0
    assert good["usage"]["output_tokens"] == 20
    assert (bad["status"], bad["planned"], bad["usage"]) == (400, None, None)
    assert "body" not in good
    assert full["requests"][0]["body"]["messages"] == ASKED["messages"]
    assert full["requests"][1]["body"] == "{broken"


def test_metrics_are_served_as_prometheus_reads_them() -> None:
    async def talk(served: Served) -> Any:
        await served.create()
        return await served.http.get("/_mock/metrics")

    response = in_warp(talk)
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'mockllm_requests_total{endpoint="messages",status="200"} 1.0' in response.text


def test_faults_are_switched_at_run_time() -> None:
    async def talk(served: Served) -> list[Any]:
        seen: list[Any] = []

        async def status() -> int:
            return (await served.http.post("/v1/messages", json=ASKED, headers=HEADERS)).status_code

        rule = {"kind": "overloaded", "call": None}
        seen.append((await served.http.post("/_mock/faults", json=[rule])).json()["faults"][0]["kind"])
        seen.append(await status())
        seen.append((await served.http.get("/_mock/faults")).json()["faults"][0]["rate"])
        seen.append((await served.http.post("/_mock/faults", json={"faults": [rule, rule]})).json()["faults"].__len__())
        seen.append((await served.http.delete("/_mock/faults")).json())
        seen.append(await status())
        return seen

    assert in_warp(talk) == ["overloaded", 529, 1.0, 2, {"faults": []}, 200]


@pytest.mark.parametrize(
    ("path", "content", "line"),
    [
        ("/_mock/faults", b'{"kind": "fire"}', "faults.0.kind: "),
        ("/_mock/faults", b"{", "/_mock/faults: the body is no JSON: "),
        ("/_mock/runs", b'{"name": "a/b"}', "name: 'a/b' is no name of a run"),
    ],
)
def test_what_the_mock_itself_does_not_understand_is_one_line(path: str, content: bytes, line: str) -> None:
    async def talk(served: Served) -> Any:
        return await served.http.post(path, content=content)

    response = in_warp(talk)
    assert response.status_code == 400
    assert response.json()["error"].startswith(line)


def test_each_run_under_a_prefix_has_a_log_and_faults_of_its_own() -> None:
    async def talk(served: Served) -> list[Any]:
        opened = (await served.http.post("/_mock/runs", json={"name": "one"})).json()
        base = opened["base_path"]
        await served.http.post(f"{base}/_mock/faults", json={"kind": "overloaded"})
        statuses = [
            (await served.http.post(f"{prefix}/v1/messages", json=ASKED, headers=HEADERS)).status_code
            for prefix in (base, "", "/_run/two")
        ]
        totals = [
            (await served.http.get(f"{prefix}/_mock/state")).json()["requests"] for prefix in (base, "", "/_run/two")
        ]
        closed = (await served.http.delete(f"{base}/_mock/runs")).json()
        left = (await served.http.get(f"{base}/_mock/state")).json()["requests"]
        return [base, statuses, totals, closed, left]

    assert in_warp(talk) == ["/_run/one", [529, 200, 200], [1, 1, 1], {"closed": "one"}, 0]


def test_a_reset_begins_the_run_again() -> None:
    async def talk(served: Served) -> Any:
        await served.create()
        await served.http.post("/_mock/faults", json={"kind": "overloaded"})
        answer = (await served.http.post("/_mock/reset")).json()
        return answer, (await served.http.get("/_mock/state")).json()

    answer, state = in_warp(talk)
    assert answer == {"reset": "", "forgotten_requests": 1}
    assert (state["requests"], state["faults"]) == (0, [])


def test_what_is_no_run_is_refused_in_the_shape_of_the_api() -> None:
    async def talk(served: Served) -> Any:
        return await served.http.post("/_run/a%20b/v1/messages", json=ASKED, headers=HEADERS)

    response = in_warp(talk)
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"model": NaN}', b"[" * 900 + b"]" * 900, b"\xff"])
def test_whatever_was_asked_the_log_can_be_read(body: bytes) -> None:
    async def talk(served: Served) -> Any:
        await served.http.post("/v1/messages", content=body, headers=HEADERS)
        return await served.http.get("/_mock/requests?bodies=true")

    response = in_warp(talk)
    assert response.status_code == 200
    (entry,) = json.loads(response.text, parse_constant=pytest.fail)["requests"]
    assert entry["status"] == 400


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://example.com"}, {"origin": "null"}, {"host": "example.com"}, {"host": "192.0.2.1:8787"}],
)
def test_a_page_of_another_site_does_not_steer_the_mock(headers: dict[str, str]) -> None:
    async def talk(served: Served) -> list[int]:
        return [
            (await served.http.post("/_mock/faults", json={"kind": "cut"}, headers=headers)).status_code,
            (await served.http.get("/_run/one/_mock/requests", headers=headers)).status_code,
            (await served.http.post("/v1/messages", json=ASKED, headers=HEADERS)).status_code,
        ]

    assert in_warp(talk) == [403, 403, 200]


@pytest.mark.parametrize("headers", [{"origin": "http://localhost:3000"}, {"host": "127.0.0.1:1"}, {"host": "[::1]:1"}])
def test_a_page_of_this_machine_does(headers: dict[str, str]) -> None:
    async def talk(served: Served) -> int:
        return (await served.http.get("/_mock/state", headers=headers)).status_code

    assert in_warp(talk) == 200


def test_the_default_run_is_not_closed_and_the_line_says_how_another_is() -> None:
    async def talk(served: Served) -> Any:
        return await served.http.request("DELETE", "/_mock/runs", json={"name": "one"})

    response = in_warp(talk)
    assert response.status_code == 400
    assert "DELETE /_run/NAME/_mock/runs" in response.json()["error"]
