"""Runs of a shipped scenario in sim, together with the conversation that each of them held."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest

from latlab import BenchmarkConfig
from latlab.benchmarks.shipped import shipped_scenario
from latlab.conversation import Chat, ToolResult
from latlab.declaration import configure, parse_setting
from latlab.lab import Lab
from latlab.optimizations import TOGGLES
from latlab.worlds.run import Outcome
from latlab.worlds.sim import run_sim
from mockllm import profiles
from mockllm.core.draws import Draws
from mockllm.core.reply import ToolUse


class Run(NamedTuple):
    """What came of one run, and what was said in it."""

    outcome: Outcome
    chat: Chat

    @property
    def contexts(self) -> list[int]:
        """Prompt tokens of each call."""
        return [
            call.input_tokens + call.read_tokens + call.write_5m_tokens + call.write_1h_tokens
            for call in self.outcome.calls
        ]

    @property
    def calls_by_turn(self) -> list[int]:
        """How many tools each turn of the model's asked for."""
        spoken = [turn.parts for turn in self.chat.turns if turn.role == "assistant"]
        return [sum(isinstance(part, ToolUse) for part in parts) for parts in spoken]

    @property
    def results_by_turn(self) -> list[int]:
        """How many results each round of tools handed back."""
        rounds = [turn.parts for turn in self.chat.turns if isinstance(turn.parts[0], ToolResult)]
        return [len(parts) for parts in rounds]


RunScenario = Callable[..., Run]


@pytest.fixture(scope="session")
def run_scenario() -> RunScenario:
    """Run number `run` of a shipped scenario under `config`, on the Sonnet 5 profile."""
    profile, _ = profiles.load("claude-sonnet-5")

    @cache
    def run_scenario(name: str, run: int, config: BenchmarkConfig = BenchmarkConfig()) -> Run:  # noqa: B008  # frozen
        chats: list[Chat] = []

        async def overheard(lab: Lab) -> object:
            open_chat = lab.chat

            def chat(**given: Any) -> Chat:
                chats.append(open_chat(**given))
                return chats[-1]

            lab.chat = chat  # type: ignore[method-assign]  # listens in
            return await shipped_scenario(name)(lab)

        outcome = run_sim(overheard, profile, config, Draws(7, run))
        assert outcome.error is None, f"{name}, {config}: {outcome.error}"
        (chat,) = chats
        return Run(outcome, chat)

    return run_scenario


@pytest.fixture(scope="session")
def every_arm() -> list[BenchmarkConfig]:
    """Every combination of every toggle."""
    names = [toggle.name for toggle in TOGGLES]
    return [
        configure({name: parse_setting(name, value) for name, value in zip(names, values, strict=True)})
        for values in product(*[toggle.values for toggle in TOGGLES])
    ]
