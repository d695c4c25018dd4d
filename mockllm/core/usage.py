"""Token accounting of one answer, and what it costs in whole nano-dollars."""

from __future__ import annotations

from typing import NamedTuple

from mockllm.core.profile import Price

__all__ = ["Usage", "cost_nusd"]


class Usage(NamedTuple):
    """Tokens of one answer. The prompt's total is input + read + both writes (protocol: prompt caching, accounting)."""

    input_tokens: int
    read_tokens: int
    write_5m_tokens: int
    write_1h_tokens: int
    output_tokens: int

    @property
    def prompt_tokens(self) -> int:
        return self.input_tokens + self.read_tokens + self.write_5m_tokens + self.write_1h_tokens


def cost_nusd(usage: Usage, prices: tuple[Price, ...]) -> int:
    """Whole nano-dollars for `usage`, by the first price whose tier holds the prompt (the last one holds the rest)."""
    uncached, read, write_5m, write_1h, output = usage
    price = prices[0]
    if len(prices) > 1:
        prompt = usage.prompt_tokens
        price = next((tier for tier in prices if not tier.up_to_tokens or prompt <= tier.up_to_tokens), prices[-1])
    return (
        uncached * price.input_nusd
        + read * price.read_nusd
        + write_5m * price.write_5m_nusd
        + write_1h * price.write_1h_nusd
        + output * price.output_nusd
    )
