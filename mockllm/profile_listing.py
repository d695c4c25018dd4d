"""Profiles as text for a terminal: the shipped ones, or every parameter of one with the evidence for it."""

from __future__ import annotations

from collections.abc import Sequence

from mockllm.core.profile import Parameter, Price, Profile, Rules
from mockllm.profiles import load, shipped

__all__ = ["describe", "list_shipped"]


def list_shipped() -> str:
    """One line a shipped profile: its name and summary."""
    return _columns([(name, load(name)[0].summary) for name in shipped()])


def describe(profile: Profile) -> str:
    """The profile's limits and prices, and each parameter with value, interval, evidence, source and reason."""
    head = [
        f"{profile.name}: {profile.summary}",
        f"model {profile.model} ({profile.provider}), {profile.max_input_tokens:,} tokens in, "
        f"{profile.max_output_tokens:,} out",
    ]
    prices = [_price(price) for price in profile.price]
    rules = [_refused(profile.rules)] if profile.rules is not None else []
    rows = [_row(name, parameter) for name, parameter in profile.parameters()]
    return "\n".join([*head, *prices, *rules, "", _columns(rows)])


def _price(price: Price) -> str:
    tier = f"prompts up to {price.up_to_tokens:,} tokens: " if price.up_to_tokens else ""
    return (
        f"{tier}USD a million tokens: {price.input_nusd / 1000:g} in, {price.output_nusd / 1000:g} out, "
        f"{price.write_5m_nusd / 1000:g} written for 5 minutes, {price.write_1h_nusd / 1000:g} for 1 hour, "
        f"{price.read_nusd / 1000:g} read ({price.source})"
    )


def _refused(rules: Rules) -> str:
    taken = rules.model_dump(exclude={"source"})
    refused = [name.replace("_", " ") for name, is_taken in taken.items() if not is_taken]
    return f"refuses {', '.join(refused) or 'nothing that others take'} ({rules.source})"


def _row(name: str, parameter: Parameter) -> tuple[str, ...]:
    low_high = parameter.interval
    interval = f"{low_high[0]:g} to {low_high[1]:g}" if low_high is not None else "exact"
    number = f"n={parameter.n}" if parameter.n is not None else ""
    told = ": ".join(part for part in (parameter.source, parameter.reason) if part)
    return name, f"{parameter.value:g}", interval, parameter.evidence, number, told


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows with their columns aligned; the last one runs free."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join(
        "  ".join([*[cell.ljust(width) for cell, width in zip(row, widths, strict=False)], row[-1]]) for row in rows
    )
