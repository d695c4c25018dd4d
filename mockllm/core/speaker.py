"""What the model says where nobody left a script: a plausible answer that its identity determines.

Where tools are offered and the turn brings no results, it calls one or more of them, as often as recorded; where
results came back, or there are no tools, it answers in text, or in JSON where a schema is given for it. Where the
request lets it, it thinks first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mockllm.core.distributions import Choice, QuantileTable
from mockllm.core.draws import Draws
from mockllm.core.identity import Identity
from mockllm.core.reply import Script
from mockllm.core.request import Request, canonical
from mockllm.core.schema_values import Pick, schema_value

__all__ = ["CALLS_PER_TURN", "OUTPUT_TOKENS", "THINKING_TOKENS", "DefaultSpeaker"]

# Recorded Claude Code turns (claude_code_sessions.csv.gz, marot/spotter @8cc42b0, February 2026): quantiles of
# output_tokens over the 325 of 549 rows with more than 30. The other 224 hold the count from the start of their
# stream: 89 say 1 and 45 say 25, most with hundreds of characters of text, and no row lies between 28 and 60.
OUTPUT_TOKENS = QuantileTable(
    (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    (61.0, 83.0, 95.0, 110.0, 134.0, 169.0, 209.0, 275.0, 355.0, 477.0, 768.0, 1093.0, 3317.0),
)

# Assumed, since no recording tells thinking from the rest: most thoughts are short, one in ten is of over 1,000 tokens.
THINKING_TOKENS = QuantileTable((0.0, 0.1, 0.5, 0.9, 1.0), (20.0, 50.0, 200.0, 1000.0, 4000.0))

# The same turns: how many tools one calls that calls any (n = 539); two or more in about one turn in seven.
CALLS_PER_TURN = Choice((1, 2, 3, 4, 5, 6, 8, 9), (465, 52, 13, 2, 2, 2, 2, 1))


@dataclass(frozen=True, slots=True)
class DefaultSpeaker:
    """Speaks for the model in one run, with that run's luck."""

    draws: Draws

    def __call__(self, request: Request) -> Script:
        """The script for `request`; its output includes the tool call, if there is one."""
        identity = request.identity
        length, chosen, many, thought = self.draws.uniforms("speech", identity.path, identity.attempt)
        output_tokens = max(1, request.least_tokens, round(OUTPUT_TOKENS.quantile(length)))
        if request.thinking:
            thinking = round(THINKING_TOKENS.quantile(thought))
            thinking = thinking if request.thinking_most is None else min(thinking, request.thinking_most)
            spoken = self._said(request, output_tokens, chosen, many)
            return spoken._replace(output_tokens=spoken.output_tokens + thinking, thinking_tokens=thinking)
        return self._said(request, output_tokens, chosen, many)

    def _said(self, request: Request, output_tokens: int, chosen: float, many: float) -> Script:
        if not request.tools or request.answers_tools:
            if request.output_schema is None:
                return Script(output_tokens)
            value = schema_value(request.output_schema, self._pick(request.identity, 0))
            return Script(output_tokens, text=canonical(value))
        first = int(chosen * len(request.tools))
        calls = range(1 if request.one_call else int(CALLS_PER_TURN.quantile(many)))
        spoken = 0 if request.must_call else output_tokens
        return Script(spoken, [self._call(request, first + number, number) for number in calls])

    def _call(self, request: Request, place: int, number: int) -> tuple[str, dict[str, Any]]:
        tool = request.tools[place % len(request.tools)]
        arguments = schema_value(tool.get("input_schema"), self._pick(request.identity, number))
        return str(tool.get("name")), arguments if isinstance(arguments, dict) else {}

    def _pick(self, identity: Identity, number: int) -> Pick:
        def pick(place: str, count: int) -> int:
            u = self.draws.uniforms(f"argument {number} {place}", identity.path, identity.attempt)[0]
            return int(u * count)

        return pick
