"""Each rule that makes a study right and reproducible is broken on purpose, and the test that guards it turns red.

A rule whose guard stays green here is a rule that nobody holds. Three breaks of the kind change no figure at all, each
by a second rule, and so are no mutations by themselves:
- a query without its ORDER BY: SQLite keeps a table WITHOUT ROWID in the order of its key;
- one relative sleep to a drawn duration: virtual loops round every timer to a whole microsecond;
- admission in any order within an instant: an uncoupled cache does not show it, so its guard looks at the order itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutations.mutant import Mutation, copy_project, mutate, red_by, run_guards
from mutations.provenance import pytest_collection_finish

import latlab

pytestmark = pytest.mark.mutation

DETERMINISM = "tests/test_determinism_guards.py"
WARP = "tests/test_warp_guards.py"
CORE = "tests/mockllm/core"
CACHE = f"{CORE}/test_prompt_cache.py"
ADMISSION = "tests/mockllm/emulator/test_admission.py"
STORE = "tests/latlab/harness/test_store.py"

MUTATIONS = (
    # Draws are keyed by what, never by when.
    Mutation(
        "one shared random stream",
        "a call's luck would depend on how many calls came before it",
        "mockllm/core/draws.py",
        (("return uniforms(", 'return tuple([__import__("random").random() for _ in range(8)]) or uniforms('),),
        f"{DETERMINISM}::test_a_call_keeps_its_luck_in_whatever_order_calls_are_made",
    ),
    Mutation(
        "draws keyed by arrival",
        "two arms would share luck only while they make the same calls in the same order",
        "mockllm/core/draws.py",
        (
            ("def uniforms(key: str)", "_arrivals: list[str] = []\n\n\ndef uniforms(key: str)"),
            ("return uniforms(", "_arrivals.append(path)\n        return uniforms("),
            ("{path}\\x1f{attempt}", "{len(_arrivals)}"),
        ),
        f"{DETERMINISM}::test_a_call_keeps_its_luck_in_whatever_order_calls_are_made",
    ),
    Mutation(
        "a draw only where it is needed",
        "whoever meets a spike would decode at another rate",
        "mockllm/core/timeline.py",
        (
            ("residual, spiked, spike, rate, *_ = draws.uniforms(", "residual, spiked, *luck = draws.uniforms("),
            ("self._spike.quantile(spike)", "self._spike.quantile(luck.pop(0))"),
            ("normal_quantile(rate))", "normal_quantile(luck.pop(0)))"),
        ),
        f"{DETERMINISM}::test_whether_a_call_meets_a_spike_shifts_none_of_its_other_draws",
    ),
    Mutation(
        "a scenario's draws numbered",
        "a scenario that asks once more in one arm would have other luck from there on",
        "latlab/lab.py",
        (
            (
                'self._draws.uniforms(f"scenario:{name}", path)',
                'self._draws.uniforms("scenario", path, len(self._luck))',
            ),
        ),
        f"{DETERMINISM}::test_more_draws_of_a_scenario_shift_none_of_its_others",
    ),
    Mutation(
        "set-up drawn for the connection instead of the call",
        "the fourth connection would cost the same whoever opens it, so an arm without reuse would shift the others",
        "mockllm/core/connections.py",
        (('draws.uniforms("connect", identity.path, identity.attempt)', 'draws.uniforms("connect", "")'),),
        f"{CORE}/test_connections.py::test_set_up_is_drawn_for_the_call_that_opens_the_connection",
    ),
    # Whole microseconds.
    Mutation(
        "durations that are not rounded when drawn",
        "sums would depend on the order of adding, and the last digit on the processor",
        "mockllm/core/distributions.py",
        (("return max(0, round(seconds * 1e6))", "return max(0.0, seconds * 1e6)  # type: ignore[return-value]"),),
        f"{DETERMINISM}::test_what_is_drawn_is_whole_microseconds",
    ),
    # One run is one world.
    Mutation(
        "a cache that outlives its run",
        "a run would be warmed by whichever ran before it in the same process",
        "mockllm/core/prompt_cache.py",
        (
            ("_FIRST_SWEEP = 4096\n", "_FIRST_SWEEP = 4096\n_SHARED: dict[bytes, _Entry] = {}\n"),
            ("self._entries: dict[bytes, _Entry] = {}", "self._entries = _SHARED"),
        ),
        f"{DETERMINISM}::test_a_run_is_the_same_whatever_ran_before_it",
    ),
    Mutation(
        "luck by the place in a batch",
        "another executor, or a resumed study, would measure other runs",
        "latlab/harness/executors.py",
        (
            (
                "Draws(self._plan.seed, number, batch.plausible)",
                "Draws(self._plan.seed, batch.numbers.index(number), batch.plausible)",
            ),
        ),
        f"{DETERMINISM}::test_a_run_is_the_same_in_whatever_batch_it_is_made",
    ),
    # Same-instant arrivals are admitted in the order of their names.
    Mutation(
        "no tie rule at the gate",
        "who comes first at one instant would be decided by who was scheduled first",
        "mockllm/clock/instants.py",
        (("            batch.sort(key=_order)\n", "            pass\n"),),
        f"{DETERMINISM}::test_requests_of_one_instant_are_admitted_in_the_order_of_their_names",
    ),
    Mutation(
        "admission without waiting for the instant's end",
        "a queue or a limit would serve whichever request arrived first within one instant",
        "mockllm/emulator/admission.py",
        (("        await self.clock.settle((identity.path, identity.attempt))\n", ""),),
        f"{DETERMINISM}::test_requests_of_one_instant_are_admitted_in_the_order_of_their_names",
    ),
    Mutation(
        "sim enters the pool in order of arrival",
        "who pays for a new connection would depend on the order in which tasks were started",
        "latlab/worlds/sim.py",
        (("        await loop.settle((call.path, call.attempt))\n", ""),),
        f"{DETERMINISM}::test_of_calls_at_one_instant_the_first_by_name_takes_the_idle_connection",
    ),
    Mutation(
        "warp enters the pool in order of arrival",
        "the same, behind the real SDK",
        "latlab/worlds/transport.py",
        (("        await self._clock.settle((identity.path, identity.attempt))\n", ""),),
        f"{WARP}::test_sim_and_warp_measure_the_same[plain]",
    ),
    Mutation(
        "sim hands over answers in the order in which they were planned",
        "an agent that does whatever is answered first would do another thing in warp",
        "latlab/worlds/sim.py",
        (("            await self._loop.settle((call.path, call.attempt))\n", "            pass\n"),),
        f"{DETERMINISM}::test_answers_that_end_at_one_instant_are_handed_over_in_the_order_of_their_names",
    ),
    Mutation(
        "warp hands over answers in the order in which sockets wake",
        "the same, behind the real SDK",
        "latlab/worlds/sdk_client.py",
        (("            await self._clock.settle((call.path, call.attempt))\n", "            pass\n"),),
        "tests/latlab/worlds/test_equality.py::test_agents_in_step_have_equal_figures_turn_after_turn",
    ),
    # Sleep to absolute deadlines.
    Mutation(
        "a server that sleeps between its writes",
        "every write's own time would be added to all that follow, as mock servers do that run slow",
        "mockllm/server.py",
        (
            (
                "            for at_us, data in writes:\n",
                "            said_us = 0\n            for at_us, data in writes:\n",
            ),
            (
                "await emulator.clock.sleep_until(answer.admitted_us + at_us)\n",
                "await emulator.clock.sleep_until(emulator.clock.now_us() + at_us - said_us)\n"
                "                said_us = at_us\n",
            ),
        ),
        f"{WARP}::test_a_write_that_takes_long_delays_no_later_one",
    ),
    Mutation(
        "a tool that sleeps in steps",
        "each step would be rounded by itself",
        "latlab/lab.py",
        (
            (
                "await self._clock.sleep_until(self._clock.now_us() + microseconds(tool.latency_s.quantile(latency)))",
                "for _ in range(10):\n"
                "            step_us = microseconds(tool.latency_s.quantile(latency) / 10)\n"
                "            await self._clock.sleep_until(self._clock.now_us() + step_us)",
            ),
        ),
        f"{DETERMINISM}::test_a_tool_takes_the_latency_that_was_drawn_to_the_microsecond",
    ),
    # Warp.
    Mutation(
        "a server that sleeps 1 ms before it writes",
        "what is measured would not be what was planned",
        "mockllm/server.py",
        (
            (
                "                await response.write(data)\n",
                "                await asyncio.sleep(0.001)\n                await response.write(data)\n",
            ),
        ),
        f"{WARP}::test_sim_and_warp_measure_the_same[everything]",
    ),
    Mutation(
        "the HTTP library on a clock of its own",
        "idle connections would never expire in a run of milliseconds",
        "latlab/worlds/warp.py",
        (("SimpleNamespace(monotonic=loop.time)", "real"),),
        f"{WARP}::test_sim_and_warp_measure_the_same[plain]",
    ),
    Mutation(
        "a clock that jumps while a job runs",
        "a job's result would arrive as late as the machine is busy",
        "mockllm/clock/warp_loop.py",
        (("if not self._loop._await_job():", "if not self._loop._await_job() or timeout:"),),
        "tests/mockllm/clock/test_warp_loop.py::test_no_time_passes_while_a_job_works",
    ),
    Mutation(
        "random not seeded for a run",
        "an agent that draws, and the SDK's backoff, would differ from one repetition to the next",
        "latlab/worlds/warp.py",
        (("""    random.seed(draws.uniforms("random", "")[0])\n""", ""),),
        f"{WARP}::test_an_agent_that_draws_at_random_draws_the_same_in_every_repetition_of_a_run",
    ),
    Mutation(
        "an SDK that retries by itself",
        "a lab's call would be made twice and recorded once",
        "latlab/worlds/warp.py",
        (("_sdk(transport, max_retries=0)", "_sdk(transport, max_retries=2)"),),
        f"{WARP}::test_the_lab_repeats_no_call_behind_its_own_back",
    ),
    # The record.
    Mutation(
        "a store that adds two microseconds",
        "what is reported would not be what was measured",
        "latlab/harness/store.py",
        (
            (
                "*(outcome.run or nothing)))",
                "*(outcome.run._replace(total_us=outcome.run.total_us + 2) if outcome.run else nothing)))",
            ),
        ),
        f"{DETERMINISM}::test_what_is_stored_is_what_was_measured",
    ),
    Mutation(
        "a digest of milliseconds",
        "two machines that differ by two microseconds would print the same",
        "latlab/harness/store.py",
        (("repr(row).encode()", "repr([n // 1000 if isinstance(n, int) else n for n in row]).encode()"),),
        f"{STORE}::test_an_edit_of_two_microseconds_in_one_row_changes_the_digest[runs]",
    ),
    Mutation(
        "a digest without the calls",
        "calls could differ where their sums do not",
        "latlab/harness/store.py",
        (("(_EVERY_FITTED_RUN, _EVERY_CALL)", "(_EVERY_FITTED_RUN,)"),),
        f"{STORE}::test_an_edit_of_two_microseconds_in_one_row_changes_the_digest[calls]",
    ),
    Mutation(
        "a digest in order of arrival",
        "an executor, or an interruption, would change it",
        "latlab/harness/store.py",
        (
            (
                "PRIMARY KEY (arm, plausible, run)\n) STRICT, WITHOUT ROWID;",
                "PRIMARY KEY (arm, plausible, run)\n) STRICT;",
            ),
            ("WHERE plausible = 0 ORDER BY arm, run", "WHERE plausible = 0 ORDER BY rowid"),
        ),
        f"{DETERMINISM}::test_a_digest_is_the_same_in_whatever_order_runs_arrive",
    ),
    Mutation(
        "calls in the order of their hashes",
        "another PYTHONHASHSEED would print another digest",
        "latlab/harness/store.py",
        (("for row in self._select(rows):", "for row in set(self._select(rows)):"),),
        f"{DETERMINISM}::test_the_order_of_hashes_changes_nothing",
    ),
    Mutation(
        "an outcome's calls as a set",
        "a run would come back in another order from another process",
        "latlab/worlds/run.py",
        (("    calls.sort()\n", "    calls = list(set(calls))\n"),),
        f"{DETERMINISM}::test_the_order_of_hashes_changes_nothing",
    ),
    Mutation(
        "a study named by its main file alone",
        "a study would be taken for finished though a file that it imports has changed",
        "latlab/harness/study.py",
        (("    for path in _under(folder):\n", "    for path in (target.file,):\n"),),
        f"{DETERMINISM}::test_a_study_is_named_by_the_files_that_its_target_imports",
    ),
    # The mock itself: the prompt cache, the pool, what a call costs.
    Mutation(
        "an entry that can be read at once",
        "calls made at the same time would hit what none of them has been answered for yet",
        "mockllm/core/prompt_cache.py",
        (
            (
                "if held is not None and held.readable_us <= now_us < held.expires_us:",
                "if held is not None and now_us < held.expires_us:",
            ),
        ),
        f"{CACHE}::test_an_entry_is_readable_only_once_the_first_response_begins",
    ),
    Mutation(
        "an entry that can be read from its admission",
        "the same, decided by whoever writes it",
        "mockllm/emulator/admission.py",
        (
            (
                "self.cache.write(request, now_us, now_us + timeline.first_us)",
                "self.cache.write(request, now_us, now_us)",
            ),
        ),
        f"{ADMISSION}::test_a_prefix_can_be_read_from_the_instant_at_which_the_first_answer_begins",
    ),
    Mutation(
        "a read that does not renew",
        "a conversation in use would lose its cache after five minutes",
        "mockllm/core/prompt_cache.py",
        (
            (
                "                    held.expires_us = now_us + held.ttl_us\n                    return",
                "                    return",
            ),
        ),
        f"{CACHE}::test_each_read_renews_the_entry_that_it_read_for_the_entrys_own_life",
    ),
    Mutation(
        "a lookback of 21",
        "a turn with one block too many would still hit",
        "mockllm/core/prompt_cache.py",
        (("mark.index - self._lookback + 1", "mark.index - self._lookback"),),
        f"{CACHE}::test_lookback_reaches_twenty_positions_counting_the_breakpoint[20-0]",
    ),
    Mutation(
        "no minimum",
        "short prompts would be cached, which the API leaves uncached without a word",
        "mockllm/core/prompt_cache.py",
        (("self._minimum = round(rule.minimum_tokens.value)", "self._minimum = 0"),),
        f"{CACHE}::test_a_prefix_below_the_minimum_is_silently_left_uncached[511-use0]",
    ),
    Mutation(
        "the newest idle connection first",
        "sim would let expire what the SDK's library keeps",
        "mockllm/core/connections.py",
        (("        for connection in self.connections:\n", "        for connection in reversed(self.connections):\n"),),
        f"{CORE}/test_connections.py::test_the_idle_connection_opened_first_is_taken_first_whichever_idled_last",
    ),
    Mutation(
        "cached tokens for nothing",
        "caching would look better than it is",
        "mockllm/core/timeline.py",
        (("            + self._cached * cached_tokens\n", ""),),
        f"{DETERMINISM}::test_tokens_that_are_read_from_the_cache_take_their_own_time",
    ),
    Mutation(
        "the prices of the two writes exchanged",
        "an hour's cache would be billed at the price of five minutes",
        "mockllm/core/usage.py",
        (
            ("usage.write_5m_tokens * price.write_5m_nusd", "usage.write_5m_tokens * price.write_1h_nusd"),
            ("usage.write_1h_tokens * price.write_1h_nusd", "usage.write_1h_tokens * price.write_5m_nusd"),
        ),
        f"{CORE}/test_usage.py::test_each_kind_of_token_costs_its_own_price",
    ),
)

# A rule is broken where an assertion fails, not where the code no longer runs.
_ASSERTED = ("assert ", "AssertionError")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The project once more, thrown away afterwards: pytest would keep every one of them for three sessions."""
    yield copy_project(tmp_path / "copy")
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("mutation", [pytest.param(mutation, id=mutation.name) for mutation in MUTATIONS])
def test_a_broken_rule_turns_its_guard_red(mutation: Mutation, copy: Path) -> None:
    mutate(copy, mutation)
    error = red_by(run_guards(copy, [mutation.guard]), mutation.guard)
    assert error.startswith(_ASSERTED), f"{mutation.guard} is red by {error}"


def test_every_guard_is_green_where_nothing_is_broken(copy: Path) -> None:
    guards = sorted({mutation.guard for mutation in MUTATIONS})
    result = run_guards(copy, guards)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(guards)} passed" in result.stdout


def test_a_package_from_outside_the_copy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latlab, "__file__", "/somewhere/else/latlab/__init__.py")
    with pytest.raises(pytest.UsageError, match="latlab was imported from /somewhere/else"):
        pytest_collection_finish()


def test_a_mutation_whose_text_is_gone_fails_by_name(tmp_path: Path) -> None:
    gone = Mutation("gone", "", "mutant.py", (("no longer there", ""),), "")
    (tmp_path / gone.file).write_text("there\n")
    with pytest.raises(AssertionError, match="holds 0 times, not once, what 'gone' replaces"):
        mutate(tmp_path, gone)
