"""The fixtures as a project of a user's has them, in a pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# Loaded here, so that the sessions below, each of which forgets what it was the first to import, find them loaded.
import mockllm.testing.threaded
import mockllm.testing.virtual

if TYPE_CHECKING:
    from _pytest.pytester import Pytester, RunResult

pytest_plugins = ("pytester",)

IMPORTS = """
    import asyncio
    import anthropic
    import pytest

    MESSAGES = [{"role": "user", "content": "Is it late?"}]
    QUESTION = {"model": "claude-sonnet-5", "max_tokens": 4000, "messages": MESSAGES}

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    def ask(mock):
        with anthropic.Anthropic(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            return client.messages.create(**QUESTION)

    async def ask_async(mock):
        async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x", max_retries=0) as client:
            return await client.messages.create(**QUESTION)
"""
FAST = "\n    pytestmark = pytest.mark.mockllm(speed=1000.0)\n"


def outcome(pytester: Pytester, tests: str, *arguments: str, ini: str = "") -> RunResult:
    """What became of `tests` in a session as strict as ours."""
    pytester.makeini(f"[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n{ini}")
    pytester.makepyfile(IMPORTS + tests)
    return pytester.runpytest_inprocess(*arguments)


def test_blocking_and_asynchronous_tests_are_answered(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        FAST
        + """
    def test_blocking(mockllm):
        message = ask(mockllm)
        (asked,) = mockllm.requests
        assert asked.usage.output_tokens == message.usage.output_tokens
        assert asked.body == QUESTION

    @pytest.mark.anyio
    async def test_asynchronous(mockllm):
        await asyncio.gather(ask_async(mockllm), ask_async(mockllm))
        assert [one.attempt for one in mockllm.requests] == [0, 1]
    """,
    )
    result.assert_outcomes(passed=2)


def test_replies_are_scripted_and_forgotten_with_the_test(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        FAST
        + """
    def test_scripted(mockllm):
        mockllm.expect("Good morning.")
        mockllm.expect("For nobody.", match={"last_user": "Hello"})
        assert ask(mockllm).content[0].text == "Good morning."
        assert len(mockllm.remaining) == 1

    def test_next(mockllm):
        assert mockllm.remaining == []
        assert ask(mockllm).content[0].text != "Good morning."
    """,
    )
    result.assert_outcomes(passed=2)


def test_every_test_has_a_mock_of_its_own_with_the_same_luck(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        FAST
        + """
    seen = []

    @pytest.mark.parametrize("number", range(3))
    def test_one(mockllm, number):
        assert mockllm.requests == []
        seen.append((mockllm.base_url, ask(mockllm)))
        assert len(mockllm.requests) == 1
        mockllm.faults("overloaded")
        with pytest.raises(anthropic.OverloadedError):
            ask(mockllm)

    def test_all():
        urls, messages = zip(*seen)
        assert len(set(urls)) == 3
        assert len({url.split("/_run/")[0] for url in urls}) == 1, "one server serves them all"
        assert messages[0] == messages[1] == messages[2]
    """,
    )
    result.assert_outcomes(passed=4)


def test_an_asynchronous_test_runs_in_virtual_time_and_needs_no_other_plugin(pytester: Pytester) -> None:
    tests = """
    async def test_plain(mockllm_virtual):
        assert asyncio.get_running_loop().time() == 0
        await asyncio.sleep(3600)
        await ask_async(mockllm_virtual)
        assert mockllm_virtual.elapsed_s == 3600 + mockllm_virtual.requests[0].total_s

    @pytest.mark.anyio
    @pytest.mark.parametrize("pause_s", [100, 200])
    async def test_marked_for_another(mockllm_virtual, pause_s):
        await asyncio.sleep(pause_s)
        assert asyncio.get_running_loop().time() == pause_s

    def test_blocking(mockllm_virtual):
        message = mockllm_virtual.run(ask_async(mockllm_virtual))
        assert message.usage.output_tokens == mockllm_virtual.requests[0].usage.output_tokens

    class TestMethods:
        async def test_method(self, mockllm_virtual):
            await asyncio.sleep(3600)
            await ask_async(mockllm_virtual)
    """
    outcome(pytester, tests).assert_outcomes(passed=5)
    outcome(pytester, tests, "-p", "no:anyio", "--deselect", "x", ini="markers =\n  anyio\n").assert_outcomes(passed=5)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_beside_pytest_asyncio_virtual_time_is_virtual_too(pytester: Pytester, mode: str) -> None:
    pytest.importorskip("pytest_asyncio", reason="another plugin for async tests, which the project does not need")
    tests = """
    @pytest.mark.asyncio
    async def test_marked(mockllm_virtual):
        await asyncio.sleep(3600)
        await ask_async(mockllm_virtual)

    class TestMethods:
        @pytest.mark.asyncio
        async def test_method(self, mockllm_virtual):
            await asyncio.sleep(3600)
            await ask_async(mockllm_virtual)

    async def test_unmarked(mockllm_virtual):
        await asyncio.sleep(3600)
        await ask_async(mockllm_virtual)

    @pytest.mark.asyncio
    @pytest.mark.mockllm(speed=1000.0)
    async def test_real(mockllm):
        await ask_async(mockllm)
        assert len(mockllm.requests) == 1
    """
    ini = f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function"
    outcome(pytester, tests, ini=ini).assert_outcomes(passed=4)


def test_an_asynchronous_test_that_fails_shows_its_own_line(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        """
    async def test_fails(mockllm_virtual):
        await asyncio.sleep(3600)
        assert mockllm_virtual.elapsed_s == 1

    async def test_never_ends(mockllm_virtual):
        await asyncio.Event().wait()
    """,
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *assert 3600.0 == 1", "E *DeadlockError: deadlock at 0.000000 s*"])


def test_a_budget_that_is_not_kept_shows_where_it_went(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        """
    async def test_budget(mockllm_virtual):
        await ask_async(mockllm_virtual)
        mockllm_virtual.assert_budget(calls=1)
        mockllm_virtual.assert_budget(total_s=0.01, calls=1)
    """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: over the budget:",
            "E * total_s is *, at most 0.01 was asked for",
            "E *#  call * status *ttft_s * cost_usd",
            "E *1  content:* 200 *",
        ]
    )
    assert "raise AssertionError(broken)" not in result.stdout.str()


def test_the_marker_says_how_a_test_is_answered_and_the_nearest_one_wins(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        """
    pytestmark = pytest.mark.mockllm(profile="claude-opus-5", seed=2)

    async def answer(mock, model):
        async with anthropic.AsyncAnthropic(base_url=mock.base_url, api_key="x") as client:
            return await client.messages.create(**{**QUESTION, "model": model})

    seen = {}

    async def test_module(mockllm_virtual):
        seen[2] = (await answer(mockllm_virtual, "claude-opus-5")).usage.output_tokens

    @pytest.mark.mockllm(seed=3)
    async def test_nearest(mockllm_virtual):
        seen[3] = (await answer(mockllm_virtual, "claude-opus-5")).usage.output_tokens
        assert seen[2] != seen[3]

    @pytest.mark.mockllm(seed=3, speed=1000.0)
    def test_real_time(mockllm):
        with anthropic.Anthropic(base_url=mockllm.base_url, api_key="x") as client:
            assert client.messages.create(**{**QUESTION, "model": "claude-opus-5"}).usage.output_tokens == seen[3]
    """,
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("arguments", "ini"),
    [
        (["--mockllm-profile=claude-opus-5"], "mockllm_profile = claude-sonnet-5"),
        ([], "mockllm_profile = claude-opus-5"),
    ],
)
def test_the_profile_is_an_option_and_in_the_ini_file(pytester: Pytester, arguments: list[str], ini: str) -> None:
    result = outcome(
        pytester,
        """
    async def test_models(mockllm_virtual):
        async with anthropic.AsyncAnthropic(base_url=mockllm_virtual.base_url, api_key="x") as client:
            assert [model.id async for model in await client.models.list()] == ["claude-opus-5"]
    """,
        *arguments,
        ini=ini,
    )
    result.assert_outcomes(passed=1)


def test_what_the_marker_does_not_know_is_said_in_a_line(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        """
    @pytest.mark.mockllm(sede=2)
    def test_unknown(mockllm): pass

    @pytest.mark.mockllm("claude-opus-5")
    def test_unnamed(mockllm): pass

    @pytest.mark.mockllm(speed=2)
    def test_speed(mockllm_virtual): pass

    @pytest.mark.mockllm(profile="claude-sonet-5")
    def test_profile(mockllm): pass
    """,
    )
    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines(
        [
            "the marker mockllm takes any_model, connection_setup, profile, seed, speed by name; 'sede' is none of *",
            "the marker mockllm takes * by name; 'claude-opus-5' is none of them",
            "the marker mockllm: virtual time has no speed; leave it out",
            "E *ProfileError: no profile is named 'claude-sonet-5'*did you mean claude-sonnet-5*",
        ]
    )


def test_workers_of_xdist_have_servers_of_their_own(pytester: Pytester) -> None:
    result = outcome(
        pytester,
        FAST
        + """
    from pathlib import Path

    @pytest.mark.parametrize("number", range(8))
    def test_one(mockllm, number, worker_id):
        ask(mockllm)
        assert len(mockllm.requests) == 1
        server = mockllm.base_url.split("/_run/")[0].rpartition(":")[2]
        (Path(__file__).parent / f"{worker_id}-{server}.port").touch()
    """,
        "-n2",
        "--dist=load",
    )
    result.assert_outcomes(passed=8)
    ports = [path.stem.split("-") for path in pytester.path.glob("*.port")]
    assert sorted(worker for worker, _ in ports) == ["gw0", "gw1"], "one server a worker"
    assert len({port for _, port in ports}) == 2


def test_the_marker_is_described(pytester: Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.mockllm(profile=..., seed=1, *): how the fixtures *"])


def test_the_plugin_loads_nothing_of_the_mock_before_a_fixture_is_used() -> None:
    program = "import json, sys, mockllm.testing.plugin; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(shown.stdout))
    assert {name for name in loaded if name.split(".")[0] in ("mockllm", "latlab")} == {
        "mockllm", "mockllm.testing", "mockllm.testing.plugin",
    }  # fmt: skip
    assert not loaded & {"aiohttp", "anthropic", "anyio", "asyncio", "httpx", "httpx2", "numpy", "pydantic", "scipy"}


def test_the_fixtures_need_no_sdk(pytester: Pytester) -> None:
    pytester.makeconftest(
        """
        import sys

        sys.modules["anthropic"] = sys.modules["openai"] = None
        """
    )
    pytester.makepyfile(
        """
        import httpx
        import pytest

        QUESTION = {"model": "claude-sonnet-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Late?"}]}
        HEADERS = {"x-api-key": "x", "anthropic-version": "2023-06-01"}

        @pytest.mark.mockllm(speed=1000.0)
        def test_real(mockllm):
            answer = httpx.post(mockllm.base_url + "/v1/messages", json=QUESTION, headers=HEADERS, trust_env=False)
            assert answer.status_code == 200

        async def test_virtual(mockllm_virtual):
            async with httpx.AsyncClient(base_url=mockllm_virtual.base_url, headers=HEADERS) as client:
                assert (await client.post("/v1/messages", json=QUESTION)).status_code == 200
        """
    )
    pytester.runpytest_subprocess("-W", "error", "--strict-markers").assert_outcomes(passed=2)


def test_the_plugin_is_an_entry_point() -> None:
    from importlib.metadata import entry_points

    found = {point.value for point in entry_points(group="pytest11") if point.name == "mockllm"}
    assert found == {"mockllm.testing.plugin"}
    assert Path(mockllm.testing.__file__).with_name("plugin.py").is_file()
