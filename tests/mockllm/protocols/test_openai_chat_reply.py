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
from mockllm.protocols.openai_chat_body import StreamOptions
from mockllm.protocols.openai_chat_reply import completion, failed, stream

COUNTER = TokenCounter(make_profile().tokens)
USAGE = Usage(100, 1024, 200, 0, 0)
CALLS = [("clock", {"zone": "UTC"}), ("map", {})]


def reply(tokens: int = 20, **script: Any) -> Reply:
    return compose(Script(tokens, **script), Identity("a/b"), "m", 1000, COUNTER, (), "omitted")


def usage(said: Reply) -> Usage:
    return USAGE._replace(output_tokens=said.output_tokens)


def chunks(said: Reply, options: StreamOptions | None = None) -> list[tuple[int, Any]]:
    flushes = [
        Flush(10, 1),
        Flush(20, said.output_tokens // 2),
        Flush(30, said.output_tokens - said.output_tokens // 2 - 1),
    ]
    writes = stream(said, usage(said), flushes, 10, 30, COUNTER, options)
    events = [(at_us, event) for at_us, data in writes for event in data.decode().split("\n\n")[:-1]]
    assert all(event.startswith("data: ") for _, event in events)
    return [(at, json.loads(event[6:]) if event != "data: [DONE]" else "[DONE]") for at, event in events]


def test_a_whole_answer_is_one_choice_with_its_usage() -> None:
    told = completion(reply(text="Noon."), usage(reply(text="Noon.")), COUNTER)
    assert told["object"] == "chat.completion"
    assert told["id"].startswith("chatcmpl-")
    (choice,) = told["choices"]
    assert choice["finish_reason"] == "stop"
    assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", "Noon.")
    assert "tool_calls" not in choice["message"]
    assert told["usage"]["prompt_tokens"] == 1324
    assert told["usage"]["total_tokens"] == 1326
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 1024
    assert told["usage"]["prompt_tokens_details"]["cache_write_tokens"] == 200


def test_calls_alone_leave_no_content() -> None:
    said = reply(0, tool_uses=CALLS)
    (choice,) = completion(said, usage(said), COUNTER)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    calls = choice["message"]["tool_calls"]
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("clock", '{"zone":"UTC"}'),
        ("map", "{}"),
    ]
    assert len({call["id"] for call in calls}) == 2


def test_a_cut_answer_finishes_by_length() -> None:
    said = compose(Script(20), Identity("a"), "m", 5, COUNTER)
    assert completion(said, usage(said), COUNTER)["choices"][0]["finish_reason"] == "length"


def test_thinking_is_counted_and_never_shown() -> None:
    said = reply(20, thinking_tokens=8, text="Noon.")
    told = completion(said, usage(said), COUNTER)
    assert told["usage"]["completion_tokens_details"]["reasoning_tokens"] == 8
    assert told["choices"][0]["message"]["content"] == "Noon."
    assert "thought" not in json.dumps(told)


def test_a_stream_is_the_role_the_text_the_reason_and_done() -> None:
    said = reply(text="It is noon.")
    told = chunks(said)
    assert told[0][0] == 10
    assert told[0][1]["choices"][0]["delta"]["role"] == "assistant"
    assert told[0][1]["choices"][0]["delta"]["content"] == ""
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for _, chunk in told[:-1]) == "It is noon."
    assert [chunk["choices"][0]["finish_reason"] for _, chunk in told[:-1]] == [None] * (len(told) - 2) + ["stop"]
    assert told[-2][0] == told[-1][0] == 30
    assert told[-1][1] == "[DONE]"
    assert all("usage" not in chunk for _, chunk in told[:-1])
    assert len({chunk["id"] for _, chunk in told[:-1]}) == 1


def test_streamed_calls_open_with_a_name_and_go_on_with_fragments() -> None:
    told = chunks(reply(0, tool_uses=CALLS))
    assert told[0][1]["choices"][0]["delta"]["content"] is None
    deltas = [chunk["choices"][0]["delta"]["tool_calls"][0] for _, chunk in told[1:-2]]
    opened = [delta for delta in deltas if "id" in delta]
    assert [(delta["index"], delta["function"]) for delta in opened] == [
        (0, {"name": "clock", "arguments": ""}),
        (1, {"name": "map", "arguments": ""}),
    ]
    for index, arguments in enumerate(['{"zone":"UTC"}', "{}"]):
        assert "".join(each["function"]["arguments"] for each in deltas if each["index"] == index) == arguments


def test_usage_comes_in_a_chunk_of_its_own_after_the_reason_where_it_is_asked_for() -> None:
    said = reply()
    told = chunks(said, StreamOptions(include_usage=True))
    assert [chunk["usage"] for _, chunk in told[:-2]] == [None] * (len(told) - 2)
    assert told[-2][1]["choices"] == []
    assert told[-2][1]["usage"] == completion(said, usage(said), COUNTER)["usage"]


def test_continuous_usage_counts_what_has_arrived() -> None:
    said = reply()
    told = chunks(said, StreamOptions(include_usage=True, continuous_usage_stats=True))
    counts = [chunk["usage"]["completion_tokens"] for _, chunk in told[:-1]]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, said.output_tokens)


def test_obfuscation_evens_out_the_text_s_length_unless_it_is_declined() -> None:
    for _, chunk in chunks(reply())[:-1]:
        text = chunk["choices"][0]["delta"].get("content") or ""
        assert (len(text) + len(chunk["obfuscation"])) % 16 == 0
    assert all(
        "obfuscation" not in chunk for _, chunk in chunks(reply(), StreamOptions(include_obfuscation=False))[:-1]
    )


def test_a_failure_within_a_stream_is_an_error_object() -> None:
    event = failed(ApiError(503, "Overloaded"))
    assert json.loads(event.removeprefix(b"data: "))["error"]["message"] == "Overloaded"
