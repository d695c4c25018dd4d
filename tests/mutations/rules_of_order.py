"""The rules of luck, time and order: what a run does depends on its names and its numbers, and on nothing else."""

from __future__ import annotations

from mutations.mutant import Mutation

__all__ = ["ORDER"]

DETERMINISM = "tests/test_determinism_guards.py"
WARP = "tests/test_warp_guards.py"
CORE = "tests/mockllm/core"

ORDER = (
    # Draws are keyed by what, never by when.
    Mutation(
        "one shared random stream",
        "a call's luck would depend on how many calls came before it",
        "mockllm/core/draws.py",
        (
            (
                'key = f"{self._study}{purpose}{self._which}{path}\\x1f{attempt}"',
                'key = repr(__import__("random").random())',
            ),
        ),
        f"{DETERMINISM}::test_a_call_keeps_its_luck_in_whatever_order_calls_are_made",
    ),
    Mutation(
        "draws keyed by arrival",
        "two arms would share luck only while they make the same calls in the same order",
        "mockllm/core/draws.py",
        (
            ("class Draws:", "_arrivals: list[str] = []\n\n\nclass Draws:"),
            (
                'key = f"{self._study}{purpose}{self._which}{path}\\x1f{attempt}"',
                '_arrivals.append(path)\n        key = f"{self._study}{purpose}{self._which}{len(_arrivals)}"',
            ),
        ),
        f"{DETERMINISM}::test_a_call_keeps_its_luck_in_whatever_order_calls_are_made",
    ),
    Mutation(
        "a draw only where it is needed",
        "whoever meets a spike would decode at another rate",
        "mockllm/core/timeline.py",
        (
            ("residual, spiked, spike, rate = draws.uniforms(", "residual, spiked, *luck = draws.uniforms("),
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
                'return self._draws.uniforms(f"scenario:{name}", path)',
                'self._drawn[f"{len(self._drawn)}", ""] = None\n'
                '        return self._draws.uniforms("scenario", path, len(self._drawn))',
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
        (("whole = round(seconds * 1e6)", "whole = seconds * 1e6"),),
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
        "a prompt that outlives its run",
        "a chat would go on where the one before it that began the same had ended",
        "latlab/worlds/sim.py",
        (("self.prefix = self.prefix.copy()", "pass"),),
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
        (("        await self.clock.settle(identity)\n", ""),),
        f"{DETERMINISM}::test_requests_of_one_instant_are_admitted_in_the_order_of_their_names",
    ),
    Mutation(
        "the server plans together what came together, in virtual time too",
        "a turn that a test registered would go to whichever request of one instant arrived first",
        "mockllm/server/prompts.py",
        ((" or emulator.load is not None or emulator.clock.ties\n", " or emulator.load is not None\n"),),
        "tests/mockllm/server/test_expecting.py::test_requests_of_one_instant_take_their_turns_in_the_order_of_their_names",
    ),
    Mutation(
        "sim enters the pool in order of arrival",
        "who pays for a new connection would depend on the order in which tasks were started",
        "latlab/worlds/sim.py",
        (
            (
                "            await loop.settle(identity)\n            connection, opened",
                "            connection, opened",
            ),
        ),
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
        (("            await loop.settle(identity)\n        return", "        return"),),
        f"{DETERMINISM}::test_answers_that_end_at_one_instant_are_handed_over_in_the_order_of_their_names",
    ),
    Mutation(
        "warp hands over answers in the order in which sockets wake",
        "the same, behind the real SDK",
        "latlab/worlds/sdk_client.py",
        (("            await self._clock.settle((call.path, call.attempt))\n", "            pass\n"),),
        "tests/latlab/worlds/test_equality.py::test_agents_in_step_have_equal_figures_turn_after_turn",
    ),
    # Only where nothing else can happen is a wait over at once.
    Mutation(
        "an instant that ends before what is ready has run",
        "a request would be admitted ahead of one that arrives at the same instant with a smaller name",
        "mockllm/clock/sim_loop.py",
        (("            self._ready\n            or self._gate.waiting\n", "            self._gate.waiting\n"),),
        f"{DETERMINISM}::test_requests_of_one_instant_are_admitted_in_the_order_of_their_names",
    ),
    Mutation(
        "an instant that ends for the last to arrive before those who wait for its end",
        "the last to arrive would be admitted first, whatever its name",
        "mockllm/clock/sim_loop.py",
        (("            or self._gate.waiting\n", ""),),
        f"{DETERMINISM}::test_requests_of_one_instant_are_admitted_in_the_order_of_their_names",
    ),
    Mutation(
        "an instant that ends before its timers",
        "the same, where the other request wakes at this instant",
        "mockllm/clock/sim_loop.py",
        (("            or (events and events[0][0] <= self._now_us)\n", ""),),
        "tests/mockllm/clock/test_sim_loop.py::test_a_timer_due_at_this_instant_comes_before_the_end_of_it",
    ),
    Mutation(
        "a timer that is counted from where SimPy's own clock stands",
        "whoever slept while nobody else was there would wake too early the next time",
        "mockllm/clock/sim_loop.py",
        (("at_us - self._env.now, lambda", "at_us - self._now_us, lambda"),),
        "tests/mockllm/clock/test_sim_loop.py::test_a_timer_is_counted_from_now_however_time_came_to_be_now",
    ),
    Mutation(
        "a timer that fires before its time",
        "whoever sets it again until its time has come would do so for ever",
        "mockllm/clock/instants.py",
        (("now_us + (when_s > now_us / 1e6)", "now_us"),),
        "tests/mockllm/clock/test_instants.py::test_a_time_is_due_from_now_on_and_a_later_one_never_now[2.0000001-2000001]",
    ),
    Mutation(
        "a sleep that jumps past a timer",
        "whoever was to wake meanwhile would wake late",
        "mockllm/clock/sim_loop.py",
        (("(not events or events[0][0] > at_us)", "True"),),
        f"{DETERMINISM}::test_a_sleep_passes_no_timer_that_was_set_before_it[500000]",
    ),
    Mutation(
        "a sleep that jumps to a timer of its own instant",
        "ties would not fall in the order of setting, as they do in warp",
        "mockllm/clock/sim_loop.py",
        (("(not events or events[0][0] > at_us)", "(not events or events[0][0] >= at_us)"),),
        f"{DETERMINISM}::test_a_sleep_passes_no_timer_that_was_set_before_it[1000000]",
    ),
    Mutation(
        "a sleep that jumps ahead of what is ready",
        "the others of this instant would act at a later one",
        "mockllm/clock/sim_loop.py",
        (("            not self._ready\n            and not self._gate", "            not self._gate"),),
        f"{DETERMINISM}::test_a_sleep_lets_the_others_of_its_instant_act_in_it[ready]",
    ),
    Mutation(
        "a sleep that jumps past those who wait for the instant's end",
        "they would be admitted at a later one",
        "mockllm/clock/sim_loop.py",
        (("            and not self._gate.waiting\n", ""),),
        f"{DETERMINISM}::test_a_sleep_lets_the_others_of_its_instant_act_in_it[gate]",
    ),
    Mutation(
        "a wait that is over before its task hears that it was cancelled",
        "a call would be made in sim that warp gives up",
        "mockllm/clock/sim_loop.py",
        (
            (
                "            and not (self._main.cancelling() if self._tasks == 1 else self._hears_of_its_end())\n",
                "",
            ),
            (
                "            or (self._main.cancelling() if self._tasks == 1 else self._hears_of_its_end())\n",
                "",
            ),
        ),
        "tests/latlab/worlds/test_equality.py::test_a_task_that_cancels_itself_hears_of_it_at_its_next_call",
    ),
    # Sleep to absolute deadlines.
    Mutation(
        "a server that sleeps between its writes",
        "every write's own time would be added to all that follow, as mock servers do that run slow",
        "mockllm/server/delivery.py",
        (
            (
                "            writes = iter(spoiled.writes)\n",
                "            said_us = 0\n            writes = iter(spoiled.writes)\n",
            ),
            (
                "await deliveries.until(due)\n",
                "await deliveries.until(clock.sleep_until(clock.now_us() + at_us - said_us))\n"
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
        "mockllm/server/delivery.py",
        (
            (
                "                if coming is None and not spoiled.cut:\n",
                "                await asyncio.sleep(0.001)\n                if coming is None and not spoiled.cut:\n",
            ),
        ),
        f"{WARP}::test_sim_and_warp_measure_the_same[everything]",
    ),
    Mutation(
        "the HTTP library on a clock of its own",
        "idle connections would never expire in a run of milliseconds",
        "mockllm/clock/client_stack.py",
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
        "a refused call that costs its connection in sim",
        "the next call would pay for a connection that the client still has",
        "latlab/worlds/sim.py",
        (("            reusable = call.reuse_connection  # the refusal was read to its end\n", ""),),
        "tests/latlab/worlds/test_equality_at_the_limits.py::"
        "test_a_call_that_is_refused_leaves_its_connection_and_time_as_they_were[limits0-5000-True]",
    ),
    Mutation(
        "an answer that is seen before anything is shown",
        "time to first token would be that of the headers",
        "latlab/worlds/sim.py",
        (("headers_us if answer.reply.parts else end_us", "headers_us"),),
        "tests/latlab/worlds/test_equality_at_the_limits.py::"
        "test_an_answer_of_which_nothing_is_left_shows_nothing_before_its_end[True]",
    ),
    Mutation(
        "a run that may reach other hosts",
        "an agent's own client would take a key there, and wait in real time",
        "latlab/harness/executors.py",
        (
            (
                "    with loopback_only(), _server_of(plan) as server:",
                "    with _server_of(plan) as server:",
            ),
        ),
        "tests/latlab/harness/test_executors.py::test_no_run_reaches_another_host[inline]",
    ),
    Mutation(
        "random not seeded for a run",
        "an agent that draws, and the SDK's backoff, would differ from one repetition to the next",
        "mockllm/clock/client_stack.py",
        (("    random.seed(luck)\n", ""),),
        f"{WARP}::test_an_agent_that_draws_at_random_draws_the_same_in_every_repetition_of_a_run",
    ),
    Mutation(
        "an SDK that retries by itself",
        "a lab's call would be made twice and recorded once",
        "latlab/worlds/warp.py",
        (("sdk_on(transport, _ORIGIN, max_retries=0)", "sdk_on(transport, _ORIGIN, max_retries=2)"),),
        f"{WARP}::test_the_lab_repeats_no_call_behind_its_own_back",
    ),
)
