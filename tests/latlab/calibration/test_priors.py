from __future__ import annotations

import pytest

from latlab.calibration.priors import model_name, prior_for, prior_is_known, prior_of
from mockllm import profiles


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        ("Claude Sonnet 5", "claude-sonnet-5"),
        ("Claude Haiku 5.5", "claude-haiku-5-5"),
        ("claude-opus-5", "claude-opus-5"),
        ("GPT-5.6 Terra", "gpt-5.6-terra"),
        ("", "model"),
    ],
)
def test_a_recorded_model_has_a_profile_s_name(recorded: str, name: str) -> None:
    assert model_name(recorded) == name


@pytest.mark.parametrize("name", ["claude-sonnet-5", "claude-opus-5", "claude-haiku-5-5"])
def test_prices_follow_the_published_multipliers(name: str) -> None:
    for price in prior_for(name).price:
        assert price.write_5m_nusd * 4 == price.input_nusd * 5
        assert price.write_1h_nusd == price.input_nusd * 2
        assert price.read_nusd * 10 == price.input_nusd
        assert price.output_nusd == price.input_nusd * 5


def test_the_prices_of_gpt_5_6_terra_follow_their_rule() -> None:
    short, long = prior_for("gpt-5.6-terra").price
    for price in (short, long):
        assert price.write_5m_nusd * 4 == price.write_1h_nusd * 4 == price.input_nusd * 5
        assert price.read_nusd * 10 == price.input_nusd
    assert (short.up_to_tokens, long.up_to_tokens) == (272_000, 0)
    assert (long.input_nusd, long.output_nusd * 2) == (short.input_nusd * 2, short.output_nusd * 3)


def test_a_model_that_nobody_knows_takes_over_another_s() -> None:
    assert not prior_is_known("own-model")
    taken, known = prior_for("own-model"), prior_for("claude-sonnet-5")
    assert (taken.price, taken.cache, taken.connection) == (known.price, known.cache, known.connection)
    rate = taken.decode.tokens_per_s
    assert (rate.value, rate.evidence) == (known.decode.tokens_per_s.value, "assumed")
    assert rate.reason == "claude-sonnet-5's; nothing is known of this model"


@pytest.mark.parametrize(
    "name", [name for name in profiles.shipped() if not name.startswith(("flat-", "self-hosted-"))]
)
def test_shipped_profiles_hold_their_priors(name: str) -> None:
    assert prior_is_known(name)
    assert prior_of(profiles.load(name)[0]) == prior_for(name)


def test_a_model_of_openai_s_brings_its_rule_for_caching_without_markers_and_its_early_headers() -> None:
    prior = prior_for(model_name("GPT-5.6 Terra"))
    assert prior.automatic_cache is not None
    assert prior.automatic_cache.rule == "breakpoints"
    assert prior.headers_lead_s is not None
    assert prior.headers_lead_s.evidence == "assumed"
