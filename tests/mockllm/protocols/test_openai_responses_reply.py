from __future__ import annotations

import json
from typing import Any

from profiles_for_tests import make_profile

from mockllm.core.identity import Identity
from mockllm.core.reply import Reply, Script, compose
from mockllm.core.request import TokenCounter
from mockllm.core.timeline import Flush
from mockllm.core.usage import Usage
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.openai_responses_reply import failed, response, stream

COUNTER = TokenCounter(make_profile().tokens)


def reply(tokens: int = 20, most: int = 1000, **script: Any) -> Reply:
    return compose(Script(tokens, **script), Identity("a/b"), "m", most, COUNTER, (), "omitted")


def usage(said: Reply) -> Usage:
    return Usage(100, 1024, 200, 0, said.output_tokens)


def events(said: Reply, **asked: Any) -> list[tuple[int, str, Any]]:
    half = said.output_tokens // 2
    flushes = [Flush(10, 1), Flush(20, half), Flush(30, said.output_tokens - half - 1)] if said.output_tokens else []
    told = []
    for at_us, data in stream(said, usage(said), asked, flushes, 5, 30, COUNTER):
        for event in data.decode().split("\n\n")[:-1]:
            name, line = event.split("\n")
            told.append((at_us, name.removeprefix("event: "), json.loads(line.removeprefix("data: "))))
    return told


def test_a_whole_response_holds_a_message_and_the_usage() -> None:
    said = reply(text="Noon.")
    told = response(said, usage(said), {"instructions": "Be brief.", "temperature": None}, COUNTER)
    assert (told["object"], told["status"], told["incomplete_details"]) == ("response", "completed", None)
    (item,) = told["output"]
    assert (item["type"], item["role"], item["content"][0]["text"]) == ("message", "assistant", "Noon.")
    assert (told["instructions"], told["temperature"], told["tools"]) == ("Be brief.", 1.0, [])
    assert told["usage"]["input_tokens"] == 1324
    assert told["usage"]["input_tokens_details"] == {"cached_tokens": 1024, "cache_write_tokens": 200}
    assert told["usage"]["total_tokens"] == 1326


def test_calls_are_items_with_two_ids() -> None:
    said = reply(0, tool_uses=[("clock", {"zone": "UTC"}), ("map", {})])
    first, second = response(said, usage(said), {}, COUNTER)["output"]
    assert (first["type"], first["name"], first["arguments"]) == ("function_call", "clock", '{"zone":"UTC"}')
    assert first["id"].startswith("fc_")
    assert first["call_id"].startswith("call_")
    assert len({first["id"], second["id"], first["call_id"], second["call_id"]}) == 4


def test_a_cut_answer_is_incomplete_and_so_is_its_last_item() -> None:
    said = reply(20, most=5)
    told = response(said, usage(said), {}, COUNTER)
    assert told["status"] == told["output"][-1]["status"] == "incomplete"
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events(said)[-1][1] == "response.incomplete"


def test_what_only_fills_the_cache_is_complete_and_empty() -> None:
    said = reply(20, most=0)
    told = [(name, event) for _, name, event in events(said)]
    assert [name for name, _ in told] == ["response.created", "response.in_progress", "response.completed"]
    assert told[-1][1]["response"]["output"] == []


def test_thinking_is_counted_and_never_shown() -> None:
    said = reply(20, thinking_tokens=8, text="Noon.")
    told = response(said, usage(said), {}, COUNTER)
    assert told["usage"]["output_tokens_details"] == {"reasoning_tokens": 8}
    assert "thought" not in json.dumps([told, events(said)])


def test_the_events_of_a_text_come_in_the_documented_order() -> None:
    told = events(reply(text="It is noon."))
    names = [name.removeprefix("response.") for _, name, _ in told]
    assert list(dict.fromkeys(names)) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for _, _, event in told] == list(range(len(told)))
    assert all(event["type"] == name for _, name, event in told)
    assert [at_us for at_us, name, _ in told if name.endswith(("created", "in_progress"))] == [5, 5]
    assert "".join(event["delta"] for _, name, event in told if name.endswith("text.delta")) == "It is noon."
    assert told[-1][2]["response"] == response(reply(text="It is noon."), usage(reply(text="It is noon.")), {}, COUNTER)


def test_the_events_of_a_call_bring_its_arguments() -> None:
    told = events(reply(0, tool_uses=[("clock", {"zone": "UTC"})]))
    assert [name for _, name, _ in told][2] == "response.output_item.added"
    assert told[2][2]["item"]["arguments"] == ""
    deltas = [event["delta"] for _, name, event in told if name == "response.function_call_arguments.delta"]
    (done,) = [event for _, name, event in told if name == "response.function_call_arguments.done"]
    assert "".join(deltas) == done["arguments"] == '{"zone":"UTC"}'


def test_parts_are_numbered_as_the_output_is() -> None:
    said = reply(30, tool_uses=[("clock", {}), ("map", {})])
    added = [event for _, name, event in events(said) if name == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1, 2]
    whole = response(said, usage(said), {}, COUNTER)["output"]
    assert [event["item"]["id"] for event in added] == [item["id"] for item in whole]


def test_obfuscation_evens_out_deltas_unless_it_is_declined() -> None:
    deltas = [event for _, name, event in events(reply()) if name.endswith("delta")]
    assert all((len(event["delta"]) + len(event["obfuscation"])) % 16 == 0 for event in deltas)
    plain = events(reply(), stream_options={"include_obfuscation": False})
    assert all("obfuscation" not in event for _, _, event in plain)


def test_a_failure_within_a_stream_is_an_error_event() -> None:
    name, line = failed(ApiError(503, "Overloaded")).decode().strip().split("\n")
    assert name == "event: error"
    told = json.loads(line.removeprefix("data: "))
    assert (told["type"], told["message"], told["code"]) == ("error", "Overloaded", "service_unavailable_error")
