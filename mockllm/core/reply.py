"""What the model says: scripted by whoever asks, or a sensible default.

A script names the tokens of text and the tool calls of one turn; it never says when. Timing is the timeline's.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn

from mockllm import MockLLMError
from mockllm.core.identity import Identity
from mockllm.core.passage import Content, Passage
from mockllm.core.request import TokenCounter, canonical, write_out

__all__ = ["BadArgumentsError", "Reply", "Script", "Text", "Thinking", "ToolRequest", "ToolUse", "compose"]


class BadArgumentsError(MockLLMError):
    """Arguments of a tool call that JSON cannot hold."""


class Text(NamedTuple):
    """A text block of an answer or a prompt."""

    content: Content


class Thinking(NamedTuple):
    """What the model thought before it spoke; `shown` says whether the client sees the words or only the signature."""

    content: Content
    signature: str
    shown: bool


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
        """The request for `name` with `arguments`, as they are once they went over a wire.

        Raises `BadArgumentsError` where JSON cannot hold them.
        """
        try:
            text = canonical(dict(arguments))
            text.encode()  # half a surrogate pair is no text
            return cls(name, json.loads(text, parse_constant=_refuse), text)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadArgumentsError(f"the arguments of a call of the tool {name!r}: {error}") from None


class Script(NamedTuple):
    """One turn as it should be spoken: `output_tokens` in all, of which the `tool_uses` (name, arguments) take theirs.

    A tool use is a pair of name and arguments, or a `ToolRequest` where it is asked for often. What the tool calls
    leave is text, which comes first. `text` replaces the filler by words of the asker's own. `thinking_tokens` come
    before all that where the request lets the model think; they are part of `output_tokens`.
    """

    output_tokens: int
    tool_uses: Sequence[tuple[str, Mapping[str, Any]] | ToolRequest] = ()
    text: str | None = None
    thinking_tokens: int = 0


class Reply(NamedTuple):
    """A finished answer. `parts` in order; `stop_reason` is end_turn, tool_use, max_tokens or stop_sequence, of which
    `stop_sequence` is the one that was met."""

    id: str
    model: str
    parts: tuple[Thinking | Text | ToolUse, ...]
    output_tokens: int
    stop_reason: str
    stop_sequence: str | None = None
    thinking_tokens: int = 0

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        if self.stop_reason == "end_turn":
            return ()
        return tuple([part for part in self.parts if isinstance(part, ToolUse)])


def compose(
    script: Script,
    identity: Identity,
    model: str,
    max_tokens: int,
    counter: TokenCounter,
    stop_sequences: Sequence[str] = (),
    thinking: str = "",
) -> Reply:
    """The reply that `script` describes, cut at `max_tokens`, and before the first of `stop_sequences` in its text.

    Text is cut to fit; a tool call that does not fit whole is dropped, and with it those that follow. The script's
    thinking comes first where the request allows it (`thinking` as in `Request`).
    """
    name = identity.digits()
    if max_tokens == 0:
        return Reply(f"msg_01{name}", model, (), 0, "max_tokens")
    if thinking and script.thinking_tokens:
        return _after_thought(script, identity, model, max_tokens, counter, stop_sequences, thinking)
    asked = []
    in_calls = 0
    for use in script.tool_uses:
        tool, arguments, text = use if isinstance(use, ToolRequest) else ToolRequest.of(*use)
        cost = counter.count(tool) + counter.count(text)
        asked.append((tool, arguments, text, cost))
        in_calls += cost
    wanted = script.output_tokens - in_calls if script.text is None else counter.count(script.text)
    least = 0 if asked else 1
    if wanted < least:
        wanted = least
    spoken = min(wanted, max_tokens)
    parts: list[Text | ToolUse] = [Text(_said(script.text, identity, spoken, counter))] if spoken else []
    left = max_tokens - spoken
    if stop_sequences and parts:
        stopped = _stopped(parts[0], stop_sequences, counter)
        if stopped is not None:
            text, met = stopped
            parts = [Text(text)] if text else []
            return Reply(f"msg_01{name}", model, tuple(parts), max(1, counter.count(text)), "stop_sequence", met)
    if spoken < wanted:
        return Reply(f"msg_01{name}", model, tuple(parts), max_tokens, "max_tokens")
    for number, (tool, arguments, text, cost) in enumerate(asked):
        if cost > left:
            return Reply(f"msg_01{name}", model, tuple(parts), max_tokens, "max_tokens")
        left -= cost
        parts.append(ToolUse(f"toolu_01{name[:-3]}{number:03x}", tool, arguments, text))
    return Reply(f"msg_01{name}", model, tuple(parts), max_tokens - left, "tool_use" if asked else "end_turn")


def _after_thought(
    script: Script,
    identity: Identity,
    model: str,
    max_tokens: int,
    counter: TokenCounter,
    stop_sequences: Sequence[str],
    thinking: str,
) -> Reply:
    """The reply with the script's thinking before it; all that is left of `max_tokens` is for the rest."""
    thought = min(script.thinking_tokens, max_tokens)
    part = Thinking(
        Passage(f"{identity.path}:{identity.attempt}:thought", thought), _signature(identity), thinking != "omitted"
    )
    if thought == max_tokens:
        return Reply(f"msg_01{identity.digits()}", model, (part,), thought, "max_tokens", None, thought)
    rest = script._replace(thinking_tokens=0, output_tokens=script.output_tokens - thought)
    reply = compose(rest, identity, model, max_tokens - thought, counter, stop_sequences)
    return reply._replace(
        parts=(part, *reply.parts), output_tokens=reply.output_tokens + thought, thinking_tokens=thought
    )


def _signature(identity: Identity) -> str:
    """Opaque to the client, which returns it as it is; the same for the same identity."""
    named = f"signature\x1f{identity.path}\x1f{identity.attempt}".encode("utf-8", "surrogatepass")
    return b64encode(blake2b(named).digest() + blake2b(named, digest_size=32).digest()).decode()


def _stopped(part: Text | ToolUse, sequences: Sequence[str], counter: TokenCounter) -> tuple[str, str] | None:
    """The text before the first of `sequences` in it, and which one that is (the longest of those at one place)."""
    assert isinstance(part, Text)
    text = write_out(part.content, counter)
    found = [(text.find(one), -len(one), one) for one in sequences if one in text]
    if not found:
        return None
    place, _, met = min(found)
    return text[:place], met


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"JSON has no {constant}")


def _said(text: str | None, identity: Identity, tokens: int, counter: TokenCounter) -> Content:
    if text is None:
        # The key holds no colon-separated attempt in the common case, so that passages stay short.
        return Passage(f"{identity.path}:{identity.attempt}", tokens)
    return text[: counter.characters(tokens)] if counter.count(text) > tokens else text
