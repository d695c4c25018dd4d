from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.reply import Script
from mockllm.core.request import Prefix, Request
from mockllm.core.speaker import OUTPUT_TOKENS, THINKING_TOKENS, DefaultSpeaker

LOOK = {
    "name": "look",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
}
SEE = {
    "name": "see",
    "input_schema": {"type": "object", "properties": {"far": {"type": "integer", "minimum": 3}}, "required": ["far"]},
}


def said(name: str = "main/turn-1", attempt: int = 0, seed: int = 1, **fields: Any) -> Script:
    request = Request(Identity(name, attempt), "m", Prefix("s"), 0, (), 4096, False, **fields)
    return DefaultSpeaker(Draws(seed, 0))(request)


def test_without_tools_it_answers_in_text() -> None:
    script = said()
    assert script.tool_uses == ()
    assert 61 <= script.output_tokens <= 3317


def test_with_tools_it_calls_one_of_them_and_answers_when_the_results_are_there() -> None:
    ((name, arguments),) = said(tools=(LOOK,)).tool_uses
    assert name == "look"
    assert isinstance(arguments["at"], str)
    assert said(tools=(LOOK,), answers_tools=True).tool_uses == ()


def test_every_tool_has_its_turn_with_arguments_of_its_own_schema() -> None:
    calls = [said(f"main/turn-{turn}", tools=(LOOK, SEE)).tool_uses[0] for turn in range(40)]
    assert {name for name, _ in calls} == {"look", "see"}
    for name, arguments in calls:
        assert set(arguments) == ({"at"} if name == "look" else {"far"})
        assert arguments.get("far", 3) >= 3


def test_it_calls_several_at_once_unless_one_call_is_all_it_may() -> None:
    names = [f"main/turn-{turn}" for turn in range(60)]
    assert max(len(said(name, tools=(LOOK, SEE)).tool_uses) for name in names) > 1
    assert {len(said(name, tools=(LOOK, SEE), one_call=True).tool_uses) for name in names} == {1}


def test_what_is_said_follows_identity_attempt_and_seed_and_nothing_else() -> None:
    assert said(tools=(LOOK, SEE)) == said(tools=(LOOK, SEE))
    lengths = [said(), said("main/turn-2"), said(attempt=1), said(seed=2)]
    assert len({script.output_tokens for script in lengths}) == 4


def test_a_tool_without_a_schema_is_called_with_nothing() -> None:
    assert said(tools=({"name": "look"},)).tool_uses == [("look", {})]


def test_the_lengths_spoken_have_the_table_s_median() -> None:
    lengths = [said(f"main/turn-{turn}").output_tokens for turn in range(2000)]
    assert median(lengths) == pytest.approx(OUTPUT_TOKENS.quantile(0.5), rel=0.1)


def test_the_table_is_that_of_the_recorded_turns(recordings: Path) -> None:
    with gzip.open(recordings / "claude_code_sessions.csv.gz", "rt", encoding="utf-8") as lines:
        tokens = [int(row["output_tokens"]) for row in csv.DictReader(lines)]
    final = [count for count in tokens if count > 30]
    assert (len(tokens), len(final)) == (549, 325)
    assert min(final) == 61
    assert OUTPUT_TOKENS.values == tuple(round(float(v)) for v in np.quantile(final, OUTPUT_TOKENS.levels))


def test_it_thinks_where_the_request_lets_it_and_within_its_budget() -> None:
    plain, thoughtful = said(), said(thinking="omitted")
    assert plain.thinking_tokens == 0
    assert thoughtful.thinking_tokens > 0
    assert thoughtful.output_tokens - thoughtful.thinking_tokens == plain.output_tokens
    names = [f"main/turn-{turn}" for turn in range(300)]
    thoughts = [said(name, thinking="omitted").thinking_tokens for name in names]
    assert median(thoughts) == pytest.approx(THINKING_TOKENS.quantile(0.5), rel=0.3)
    assert max(said(name, thinking="omitted", thinking_most=1024).thinking_tokens for name in names) == 1024
    assert said(thinking="omitted", tools=(LOOK,)).tool_uses == said(tools=(LOOK,)).tool_uses


def test_where_a_schema_is_given_the_text_is_json_that_is_valid_against_it() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 3}, "degrees": {"type": "integer", "maximum": 50}},
        "required": ["city", "degrees"],
        "additionalProperties": False,
    }
    values = [json.loads(said(f"main/turn-{turn}", output_schema=schema).text or "") for turn in range(50)]
    for value in values:
        assert set(value) == {"city", "degrees"}
        assert len(value["city"]) >= 3
        assert isinstance(value["degrees"], int)
        assert value["degrees"] <= 50
    assert len({value["degrees"] for value in values}) > 1
    assert said(output_schema=schema, tools=(LOOK,)).tool_uses
    assert said(output_schema=schema, tools=(LOOK,), answers_tools=True).text is not None


def test_a_call_that_is_demanded_comes_without_a_word() -> None:
    assert said(tools=(LOOK,), must_call=True).output_tokens == 0
    assert said(tools=(LOOK,), must_call=True).tool_uses == said(tools=(LOOK,)).tool_uses
