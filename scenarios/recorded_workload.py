"""How large an agent's turns are and what it asks for, as recorded; what no recording tells is marked assumed.

Recorded: 549 requests of eight Claude Code sessions, February 2026 (marot/spotter @8cc42b0, MIT). Each table is checked
against the recording by tests/scenarios/test_recorded_workload.py. Where that recording is silent, its source is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from latlab import Chat, Lab, Script, ToolRequest
from mockllm.core.distributions import Choice, Distribution, Lognormal, QuantileTable
from mockllm.core.speaker import CALLS_PER_TURN

__all__ = [
    "AGENT_ANSWER_TOKENS",
    "CALLS_PER_TURN",
    "CHAT_ANSWER_TOKENS",
    "CONTEXT_TOKENS",
    "RESULT_TOKENS",
    "ROUNDS",
    "TURN_TOKENS",
    "TurnPlan",
]

# Input tokens of a request, cached ones included (n = 549). Cut at 5 and 95 %: 28k to 154k.
CONTEXT_TOKENS = QuantileTable(
    (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    (28_072, 40_296, 53_327, 60_808, 67_218, 75_617, 83_430, 98_183, 117_254, 141_453, 154_116),
)

_LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

# Output tokens of a turn that calls tools (n = 323 of 539). A count of 30 or fewer is left out: it is the one that
# opens a stream, too small for the characters that its turn holds, and none lies between 28 and 60.
TURN_TOKENS = QuantileTable(_LEVELS, (64, 83, 96, 110, 135, 169, 209, 274, 356, 479, 772, 1_096, 2_376))

# Tokens by which one tool's result makes the next request longer (n = 284): turns of one call, less what the turn
# itself had written, where that is known.
RESULT_TOKENS = QuantileTable(_LEVELS, (22, 26, 41, 52, 55, 75, 148, 235, 370, 733, 1_811, 2_753, 7_303))

# Assumed: the recording does not say where a question begins. Three sub-agents in it took 10 to 12 rounds each; the
# scenario stops at eight.
ROUNDS = Choice((1, 2, 3, 4, 5, 6, 7, 8), (10, 16, 18, 16, 13, 11, 9, 7))

# Assumed: ten recorded turns end without a tool call, and few of their counts are whole. Their median is 1,211
# characters, about 350 tokens.
AGENT_ANSWER_TOKENS = Lognormal(350, 0.8)

# Tokens of an answer in a chat: Azure's conversation trace of 2023 (n = 19,366, CC-BY-4.0).
CHAT_ANSWER_TOKENS = QuantileTable(_LEVELS, (16, 41, 54, 77, 91, 103, 129, 177, 384, 400, 424, 451, 601))


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """What a mock says next in a tool loop: called with a lab, a chat and a call path, the turn's script.

    `rounds` of tool calls come first, drawn once a conversation, then the answer. A turn makes `calls` calls: that many
    of `requests` (tool name, arguments) one after the other from a drawn place on. All is drawn by name, so that every
    arm asks the same of the same tools.
    """

    requests: Sequence[ToolRequest]
    rounds: Distribution = ROUNDS
    calls: Distribution = CALLS_PER_TURN
    turn_tokens: Distribution = TURN_TOKENS
    answer_tokens: Distribution = AGENT_ANSWER_TOKENS

    def __call__(self, lab: Lab, chat: Chat, path: str) -> Script:
        size, count, place, _ = lab.uniforms("turn", path)
        if chat.rounds >= lab.draw(self.rounds, "rounds", chat.name):
            return Script(round(self.answer_tokens.quantile(size)))
        requests = self.requests
        first = int(place * len(requests))
        calls = range(first, first + int(self.calls.quantile(count)))
        return Script(round(self.turn_tokens.quantile(size)), [requests[n % len(requests)] for n in calls])
