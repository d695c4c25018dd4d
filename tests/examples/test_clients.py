"""Tests of examples/clients: the clients that people use take the mock for the API, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "examples" / "clients"
LITELLM = Path(os.environ.get("MOCKLLM_LITELLM_PYTHON") or ROOT / ".venv-litellm" / "bin" / "python")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a server on which time passes twenty times as fast."""
    command = [sys.executable, "-m", "mockllm", "serve", "--port", "0", "--speed", "20"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            yield json.loads(serving.stdout.readline())["url"]
        finally:
            serving.send_signal(signal.SIGTERM)


def told(url: str, *command: str) -> list[str]:
    """The lines that an example prints."""
    # Nothing here may reach beyond this machine, and LiteLLM would fetch a list of prices.
    alone = {"MOCKLLM_URL": url, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, **alone}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def python(url: str, name: str) -> list[str]:
    return told(url, sys.executable, str(CLIENTS / f"{name}.py"))


@pytest.mark.slow
def test_the_anthropic_sdk_is_answered_streamed_to_and_reads_from_the_cache(url: str) -> None:
    lines = python(url, "anthropic_sync")
    assert lines[0].startswith("plain: ")
    assert int(lines[1].split()[1]) > 3
    assert lines[2:] == ["cache: wrote 3200 and read 0 tokens", "cache: wrote 0 and read 3200 tokens"]


@pytest.mark.slow
def test_an_asynchronous_agent_comes_to_its_end(url: str) -> None:
    lines = python(url, "anthropic_async")
    assert lines[0].startswith("turn: tool_use ['get_weather'")
    assert lines[-1] == "turn: end_turn []"


@pytest.mark.slow
def test_the_openai_sdk_is_answered_on_both_of_its_endpoints(url: str) -> None:
    plain, streamed, tools, response = python(url, "openai_sdk")
    assert plain.startswith("plain: ")
    assert int(streamed.split()[1]) > 3
    assert int(streamed.split()[3]) > 3
    assert tools.startswith("tools: tool_calls ['get_weather'")
    assert response == "response: completed True"


@pytest.mark.slow
def test_langchain_streams_counts_and_calls_a_tool(url: str) -> None:
    streamed, tools, *results = python(url, "langchain_chat")
    assert int(streamed.split()[1]) > 3
    assert int(streamed.split()[3]) > 3
    assert tools.startswith("tools: ['get_weather'")
    assert results[0].startswith("result: rain in ")


@pytest.mark.slow
def test_pydantic_ai_runs_an_agent_and_gets_an_object_of_its_type(url: str) -> None:
    assert python(url, "pydantic_ai_agent") == ["agent: 2 requests, True", "typed: Weather"]


@pytest.mark.slow
def test_curl_sees_the_answer_the_stream_and_the_log(url: str) -> None:
    lines = told(url, "bash", str(CLIENTS / "curl.sh"))
    assert json.loads(lines[0])["type"] == "message"
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert (events[0], events[-1]) == ("message_start", "message_stop")
    assert json.loads(lines[-1])["total"] >= 2


@pytest.mark.slow
def test_litellm_is_answered_and_streamed_to(url: str) -> None:
    if not LITELLM.exists():
        pytest.skip("LiteLLM has an environment of its own, which make test makes")
    plain, streamed = told(url, str(LITELLM), str(CLIENTS / "litellm_completion.py"))
    assert plain.startswith("plain: ")
    assert int(streamed.split()[1]) > 3
