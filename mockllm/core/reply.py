"""What the model says: scripted by whoever asks, or a sensible default.

A script names the tokens of text and the tool calls of one turn; it never says when. Timing is the timeline's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mockllm.core.identity import Identity, stable_id
from mockllm.core.passage import Content, Passage
from mockllm.core.request import TokenCounter, canonical

__all__ = ["Reply", "Script", "Text", "ToolRequest", "ToolUse", "compose"]


class Text(NamedTuple):
    """A text block of an answer or a prompt."""

    content: Content


class ToolUse(NamedTuple):
    """A tool call: the model's id for it, the tool's name, and its arguments, as they are and in canonical JSON."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    json: str


class ToolRequest(NamedTuple):
    """A tool call that a script asks for, with its arguments' canonical JSON made once and for all."""

    name: str
    arguments: Mapping[str, Any]
    json: str

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any]) -> ToolRequest:
        """The request for `name` with `arguments`, which are not to change afterwards."""
        return cls(name, arguments, canonical(dict(arguments)))


class Script(NamedTuple):
    """One turn as it should be spoken: `output_tokens` in all, of which the `tool_uses` (name, arguments) take theirs.

    A tool use is a pair of name and arguments, or a `ToolRequest` where it is asked for often. What the tool calls leave is text, which comes first. `text` replaces the filler by words of the asker's own.
    """

    output_tokens: int
    tool_uses: Sequence[tuple[str, Mapping[str, Any]] | ToolRequest] = ()
    text: str | None = None


class Reply(NamedTuple):
    """A finished answer. `parts` in order; `stop_reason` is end_turn, tool_use or max_tokens."""

    id: str
    model: str
    parts: tuple[Text | ToolUse, ...]
    output_tokens: int
    stop_reason: str

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        return tuple([part for part in self.parts if isinstance(part, ToolUse)])


def compose(script: Script, identity: Identity, model: str, max_tokens: int, counter: TokenCounter) -> Reply:
    """The reply that `script` describes, cut at `max_tokens`.

    Text is cut to fit; a tool call that does not fit whole is dropped, and with it those that follow.
    """
    message_id = stable_id("msg", identity.path, identity.attempt)
    if max_tokens == 0:
        return Reply(message_id, model, (), 0, "max_tokens")
    asked = []
    in_calls = 0
    for use in script.tool_uses:
        name, arguments, text = use if isinstance(use, ToolRequest) else ToolRequest.of(*use)
        cost = counter.count(name) + counter.count(text)
        asked.append((name, arguments, text, cost))
        in_calls += cost
    wanted = counter.count(script.text) if script.text is not None else script.output_tokens - in_calls
    text_tokens = max(0, wanted) if script.tool_uses else max(1, wanted)
    budget = max_tokens
    parts: list[Text | ToolUse] = []
    spoken = min(text_tokens, budget)
    if spoken:
        parts.append(Text(_said(script.text, identity, spoken, counter)))
    cut = spoken < text_tokens
    budget -= spoken
    for number, (name, arguments, text, cost) in enumerate(asked):
        if cost > budget:
            cut = True
            break
        parts.append(ToolUse(stable_id("toolu", identity.path, identity.attempt, number), name, arguments, text))
        budget -= cost
    stop = "max_tokens" if cut else "tool_use" if script.tool_uses else "end_turn"
    return Reply(message_id, model, tuple(parts), max_tokens - budget if not cut else max_tokens, stop)


def _said(text: str | None, identity: Identity, tokens: int, counter: TokenCounter) -> Content:
    if text is None:
        # The key holds no colon-separated attempt in the common case, so that passages stay short.
        return Passage(f"{identity.path}:{identity.attempt}", tokens)
    return text[: counter.characters(tokens)] if counter.count(text) > tokens else text
