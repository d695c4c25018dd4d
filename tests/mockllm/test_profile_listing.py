from __future__ import annotations

from profiles_for_tests import make_profile

from mockllm.profile_listing import describe, list_shipped
from mockllm.profiles import load, shipped


def test_the_list_has_a_line_for_every_shipped_profile() -> None:
    lines = list_shipped().splitlines()
    assert [line.split()[0] for line in lines] == list(shipped())
    for line in lines:
        name, summary = line.split(maxsplit=1)
        assert summary == load(name)[0].summary


def test_a_profile_is_shown_with_every_parameter_and_its_evidence() -> None:
    profile = make_profile()
    told = describe(profile)
    for name, parameter in profile.parameters():
        (line,) = [line for line in told.splitlines() if line.split()[:1] == [name]]
        assert f"{parameter.value:g}" in line
        assert parameter.evidence in line
        assert line.endswith(": ".join(part for part in (parameter.source, parameter.reason) if part))
    assert "ttft.intercept_s" in told
    assert "0.3 to 0.8" in told
    assert "n=100" in told


def test_prices_are_told_in_dollars_a_million_tokens() -> None:
    assert "USD a million tokens: 2 in, 10 out, 2.5 written for 5 minutes, 4 for 1 hour, 0.2 read (tests)" in describe(
        make_profile()
    )


def test_what_a_model_refuses_is_one_line() -> None:
    told = describe(make_profile(rules={"source": "a page", "prefill": False, "thinking_enabled": False}))
    assert "\nrefuses prefill, thinking enabled (a page)\n" in told
    assert "refuses nothing that others take (a page)" in describe(make_profile(rules={"source": "a page"}))
    assert "refuses" not in describe(make_profile())
