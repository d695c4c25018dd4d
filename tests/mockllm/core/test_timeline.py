"""Timelines: in order, whole, true to the profile, and drawn by the call's own luck alone."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, median, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.timeline import Flush, Service, Timeline

SERVICE = Service(make_profile())
CALM = Service(make_profile(spike=None))
RUNS = range(2000)
DRAWS = st.builds(Draws, st.integers(0, 99), st.integers(0, 10**6), st.integers(0, 9))
IDENTITIES = st.builds(Identity, st.sampled_from(["main/turn-1", "main/turn-2", "content:00"]), st.integers(0, 3))
PROMPTS = st.integers(0, 200_000)
OUTPUTS = st.integers(0, 2000)


def plan(service: Service, run: int, *, uncached: int = 50_000, cached: int = 0, output: int = 500) -> Timeline:
    return service.plan(Draws(1, run), Identity("main/turn-1"), uncached, cached, output)


@given(DRAWS, IDENTITIES, PROMPTS, PROMPTS, OUTPUTS)
def test_flushes_ascend_from_the_first_token_to_the_end_and_hold_every_token(
    draws, identity, uncached, cached, output
) -> None:
    timeline = SERVICE.plan(draws, identity, uncached, cached, output)
    flushes = SERVICE.flushes(timeline, draws, identity)
    moments = [flush.at_us for flush in flushes]
    assert 0 < timeline.first_us <= timeline.end_us
    assert moments == sorted(moments)
    assert sum(flush.tokens for flush in flushes) == timeline.output_tokens == output
    assert all(flush.tokens > 0 for flush in flushes)
    if output:
        assert (moments[0], moments[-1]) == (timeline.first_us, timeline.end_us)
        assert flushes[0].tokens == 1
    else:
        assert flushes == []


@given(DRAWS, IDENTITIES, PROMPTS, OUTPUTS)
def test_every_moment_is_a_whole_microsecond(draws, identity, prompt, output) -> None:
    timeline = SERVICE.plan(draws, identity, prompt, 0, output)
    moments = [flush.at_us for flush in SERVICE.flushes(timeline, draws, identity)]
    assert {type(moment) for moment in [timeline.first_us, timeline.end_us, *moments]} == {int}


def test_a_single_token_ends_as_it_begins_and_no_token_flushes_nothing() -> None:
    one, none = plan(SERVICE, 0, output=1), plan(SERVICE, 0, output=0)
    assert one.first_us == one.end_us == none.first_us == none.end_us
    assert SERVICE.flushes(one, Draws(1, 0), Identity("main/turn-1")) == [Flush(one.first_us, 1)]


@given(DRAWS, st.lists(IDENTITIES, max_size=4), st.lists(IDENTITIES, max_size=4))
def test_a_call_keeps_its_timeline_whatever_other_calls_are_made(draws, before, after) -> None:
    def timed(service: Service, identity: Identity) -> tuple[Timeline, list[Flush]]:
        timeline = service.plan(draws, identity, 10_000, 0, 100)
        return timeline, service.flushes(timeline, draws, identity)

    call = Identity("the/call")
    alone = timed(Service(make_profile()), call)
    service = Service(make_profile())
    for identity in before:
        timed(service, identity)
    among = timed(service, call)
    for identity in after:
        timed(service, identity)
    assert alone == among == timed(service, call)


@given(DRAWS, IDENTITIES, OUTPUTS, OUTPUTS)
def test_how_much_is_said_changes_neither_the_first_token_nor_the_rate(draws, identity, one, other) -> None:
    short, long = (SERVICE.plan(draws, identity, 1000, 0, output) for output in sorted((one, other)))
    assert short.first_us == long.first_us
    if short.output_tokens > 1:
        per_token = (short.end_us - short.first_us) / (short.output_tokens - 1)
        assert long.end_us - long.first_us == pytest.approx(per_token * (long.output_tokens - 1), rel=1e-3)


@given(DRAWS, IDENTITIES, st.integers(1000, 200_000), st.integers(1000, 200_000))
def test_cached_tokens_are_cheaper_than_uncached_ones_under_the_same_luck(draws, identity, cached, rest) -> None:
    cold = SERVICE.plan(draws, identity, cached + rest, 0, 10)
    warm = SERVICE.plan(draws, identity, rest, cached, 10)
    assert warm.first_us < cold.first_us
    assert warm.end_us - warm.first_us == cold.end_us - cold.first_us


@given(DRAWS, PROMPTS, PROMPTS)
def test_a_longer_prompt_never_starts_sooner_under_the_same_luck(draws, one, other) -> None:
    short, long = (SERVICE.plan(draws, Identity("a"), prompt, 0, 1) for prompt in sorted((one, other)))
    assert short.first_us <= long.first_us


def test_the_median_first_token_is_the_profiles_formula() -> None:
    service = Service(make_profile(spike=None, uncached_s_per_1k2=0.0001))
    drawn = median(plan(service, run, uncached=50_000, cached=20_000).first_us for run in RUNS)
    assert drawn / 1e6 == pytest.approx(0.5 + 50 * 0.0125 + 2500 * 0.0001 + 20 * 0.001, rel=0.02)


def test_the_residual_is_a_floor_and_a_lognormal_above_it() -> None:
    ratios = [plan(CALM, run, uncached=0).first_us / 0.5e6 for run in RUNS]
    assert min(ratios) > 0.6
    assert sum(ratio < 1 for ratio in ratios) / len(ratios) == pytest.approx(0.5, abs=0.03)
    below_one_sigma = sum(ratio < 0.6 + 0.4 * 2.718281828**0.4 for ratio in ratios)
    assert below_one_sigma / len(ratios) == pytest.approx(0.8413, abs=0.02)


def test_a_mixture_of_residuals_takes_its_second_component_in_its_share() -> None:
    exact = {"evidence": "published", "source": "tests"}
    residual = {
        "family": "lognormal_mixture",
        "sigma": {"value": 0.1, **exact},
        "weight": {"value": 0.1, **exact},
        "ratio_2": {"value": 10.0, **exact},
        "sigma_2": {"value": 0.1, **exact},
    }
    service = Service(make_profile(spike=None, residual=residual))
    ratios = [plan(service, run, uncached=0).first_us / 0.5e6 for run in RUNS]
    assert sum(ratio > 3 for ratio in ratios) / len(ratios) == pytest.approx(0.1, abs=0.02)


def test_spikes_come_in_their_share_and_last_their_mean() -> None:
    spiked = Service(make_profile(probability=0.2, mean_s=2.0))
    delays = [plan(spiked, run).first_us - plan(CALM, run).first_us for run in RUNS]
    hit = [delay / 1e6 for delay in delays if delay]
    assert len(hit) / len(delays) == pytest.approx(0.2, abs=0.03)
    assert fmean(hit) == pytest.approx(2.0, rel=0.15)
    calm_moments = [plan(CALM, run).first_us for run in RUNS]
    fast = median(calm_moments)
    hit_while_fast = sum(moment < fast for moment, delay in zip(calm_moments, delays, strict=True) if delay)
    assert hit_while_fast / len(hit) == pytest.approx(0.5, abs=0.08)  # contention has luck of its own


def test_the_rate_has_the_profiles_median_and_spread() -> None:
    timelines = [plan(SERVICE, run, output=1001) for run in RUNS]
    rates = [1000 / ((timeline.end_us - timeline.first_us) / 1e6) for timeline in timelines]
    assert median(rates) == pytest.approx(80.0, rel=0.02)
    assert pstdev(rates) / fmean(rates) == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize("mean", [1.0, 1.5, 4.0, 16.0])
def test_flushes_hold_the_profiles_mean_of_tokens(mean) -> None:
    service = Service(make_profile(flush_tokens=mean))
    timeline = Timeline(0, 10**9, 40_000)
    sizes = [flush.tokens for flush in service.flushes(timeline, Draws(1, 0), Identity("a"))][1:-1]
    assert fmean(sizes) == pytest.approx(mean, rel=0.05)
    once = sum(size == 1 for size in sizes) / len(sizes)
    assert once == pytest.approx(1 / mean, abs=0.02)  # a geometric number


def test_gaps_between_flushes_have_the_profiles_spread() -> None:
    service = Service(make_profile(flush_gap_cv=0.7))
    timeline = Timeline(0, 10**10, 40_000)
    moments = [flush.at_us for flush in service.flushes(timeline, Draws(1, 0), Identity("a"))]
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(0.7, rel=0.05)


def test_an_intercept_that_the_fit_put_below_zero_never_answers_before_the_question() -> None:
    service = Service(make_profile(intercept_s=-1.0, spike=None))
    assert plan(service, 0, uncached=0).first_us == 1000


def test_plausible_profiles_time_the_same_call_differently_and_each_always_alike() -> None:
    def first_tokens(draw: int) -> list[int]:
        service = Service(make_profile().plausible(1, draw))
        return [plan(service, run).first_us for run in range(5)]

    assert len({tuple(first_tokens(draw)) for draw in range(1, 21)}) == 20
    assert first_tokens(3) == first_tokens(3)


def test_a_timeline_is_the_one_written_down() -> None:
    timeline = plan(SERVICE, 3, output=24)
    assert timeline == Timeline(970832, 1245476, 24)
    assert SERVICE.flushes(timeline, Draws(1, 3), Identity("main/turn-1")) == [
        (970832, 1),
        (1000964, 8),
        (1032048, 7),
        (1105305, 2),
        (1171241, 4),
        (1222774, 1),
        (1245476, 1),
    ]


@given(DRAWS, IDENTITIES, PROMPTS)
def test_headers_come_with_the_first_token_or_by_the_profile_s_lead_before_it(draws, identity, uncached) -> None:
    timeline = SERVICE.plan(draws, identity, uncached, 0, 100)
    assert SERVICE.headers_us(timeline) == timeline.first_us
    early = Service(make_profile(headers_lead_s=0.7))
    assert early.plan(draws, identity, uncached, 0, 100) == timeline
    assert early.headers_us(timeline) == max(0, timeline.first_us - 700_000)
