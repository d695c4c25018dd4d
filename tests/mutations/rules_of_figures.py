"""The rules of what is counted and kept: the record of a study, and the mock's cache, pool and prices."""

from __future__ import annotations

from mutations.mutant import Mutation

__all__ = ["FIGURES"]

DETERMINISM = "tests/test_determinism_guards.py"
WARP = "tests/test_warp_guards.py"
CORE = "tests/mockllm/core"
CACHE = f"{CORE}/test_prompt_cache.py"
ADMISSION = "tests/mockllm/emulator/test_admission.py"
STORE = "tests/latlab/harness/test_store.py"

FIGURES = (
    # The record.
    Mutation(
        "a store that adds two microseconds",
        "what is reported would not be what was measured",
        "latlab/harness/store.py",
        (
            (
                "*(outcome.run or _NO_FIGURES))",
                "*(outcome.run._replace(total_us=outcome.run.total_us + 2) if outcome.run else _NO_FIGURES))",
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
        "a digest of what errors say",
        "an address or a time of day in an error would make another digest of the same measurements",
        "latlab/harness/store.py",
        (("CASE WHEN error IS NOT NULL THEN 'failed' END", "error"),),
        f"{STORE}::test_the_digest_covers_that_a_run_failed_and_not_the_words_of_its_error",
    ),
    Mutation(
        "a digest without the calls",
        "calls could differ where their sums do not",
        "latlab/harness/store.py",
        (("in self._select(_EVERY_CALL_WRITTEN):", "in ():"),),
        f"{STORE}::test_an_edit_of_two_microseconds_in_one_row_changes_the_digest[calls]",
    ),
    Mutation(
        "a digest without a call's last figure",
        "what a call cost could differ unseen: SQLite leaves out what has no place to be printed in",
        "latlab/harness/store.py",
        (("(len(CallRecord._fields) - 1)};'", "(len(CallRecord._fields) - 2)};'"),),
        f"{DETERMINISM}::test_a_digest_covers_every_figure_of_a_call[cost_nusd]",
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
            ("FROM runs ORDER BY arm, plausible, run", "FROM runs ORDER BY rowid"),
        ),
        f"{DETERMINISM}::test_a_digest_is_the_same_in_whatever_order_runs_arrive",
    ),
    Mutation(
        "calls in the order of their hashes",
        "another PYTHONHASHSEED would print another digest",
        "latlab/harness/store.py",
        (("in self._select(_EVERY_CALL_WRITTEN):", "in set(self._select(_EVERY_CALL_WRITTEN)):"),),
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
    Mutation(
        "a finished study whose rows nobody looks at",
        "a summary would be shown for rows that it was not made from",
        "latlab/harness/conduct.py",
        (('summary.get("digest") != heading["digest"]', 'heading["digest"] is None'),),
        "tests/latlab/harness/test_conduct.py::test_rows_edited_after_a_study_was_finished_are_noticed"
        "[DELETE FROM calls WHERE arm = 0 AND run = 0]",
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
                "                    if renew:\n                        held.live_until(now_us)\n",
                "",
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
        "a prompt counted without its tools' names",
        "a prompt would be longer in warp, whose server counts its blocks, than in sim, which makes none",
        "latlab/worlds/sim.py",
        (("counter.count(part.name) + counter.count(part.json)", "counter.count(part.json)"),),
        f"{WARP}::test_sim_and_warp_measure_the_same[plain]",
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
            ("write_5m * price.write_5m_nusd", "write_5m * price.write_1h_nusd"),
            ("write_1h * price.write_1h_nusd", "write_1h * price.write_5m_nusd"),
        ),
        f"{CORE}/test_usage.py::test_each_kind_of_token_costs_its_own_price",
    ),
)
