"""Accounting: what an answer costs, by hand and by tier."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mockllm.core.profile import Price
from mockllm.core.usage import Usage, cost_nusd

COUNTS = st.integers(0, 10**6)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
SMALL = Price(up_to_tokens=100, input_nusd=1, output_nusd=5, write_5m_nusd=2, write_1h_nusd=3, read_nusd=0, source="t")
LARGE = Price(input_nusd=10, output_nusd=50, write_5m_nusd=20, write_1h_nusd=30, read_nusd=4, source="t")


def test_each_kind_of_token_costs_its_own_price() -> None:
    usage = Usage(input_tokens=1, read_tokens=10, write_5m_tokens=100, write_1h_tokens=1000, output_tokens=10_000)
    assert usage.prompt_tokens == 1111
    assert cost_nusd(usage, (LARGE,)) == 10 + 40 + 2000 + 30_000 + 500_000


def test_a_tier_holds_prompts_up_to_and_including_its_bound_whatever_is_said() -> None:
    assert cost_nusd(Usage(50, 20, 20, 10, 10**6), (SMALL, LARGE)) == 50 + 40 + 30 + 5 * 10**6
    assert cost_nusd(Usage(51, 20, 20, 10, 0), (SMALL, LARGE)) == 510 + 80 + 400 + 300


def test_a_prompt_above_every_bound_costs_the_last_price() -> None:
    assert cost_nusd(Usage(101, 0, 0, 0, 0), (SMALL,)) == 101


@given(USAGES, USAGES)
def test_costs_of_one_tier_add_up_exactly(one, other) -> None:
    both = Usage(*(a + b for a, b in zip(one, other, strict=True)))
    assert cost_nusd(both, (LARGE,)) == cost_nusd(one, (LARGE,)) + cost_nusd(other, (LARGE,))
