"""A prompt of OpenAI's endpoints in render order: tools, the output's schema, then the conversation.

That is the order in which this API's cache sees a prompt (its prompt caching guide). A plain string is one text part;
instructions that come before everything else are the system prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from mockllm.core.request import (
    Block,
    Prefix,
    TokenCounter,
    canonical,
    opaque_block,
    system_block,
    text_block,
    tool_block,
    tool_result_block,
    tool_use_block,
)

__all__ = ["Prompt"]

_BREAKPOINT = "prompt_cache_breakpoint"
# Assumed, since nothing is decoded here: an image of 1,024 x 1,024 in high detail as gpt-4o counts it, a minute of
# speech, a document of two pages.
_TOKENS = {"image": 765, "audio": 600, "file": 2000}


@dataclass(slots=True)
class Prompt:
    """A chain of blocks that grows. `marks` are the blocks after which a breakpoint was asked for; `ends` those with
    which a message ends that the API may put a breakpoint of its own after."""

    prefix: Prefix
    counter: TokenCounter
    marks: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def tool(self, definition: Mapping[str, Any]) -> None:
        """A tool, as it was defined."""
        self._add(tool_block(dict(definition), self.counter))

    def schema(self, schema: Mapping[str, Any]) -> None:
        """The schema of the output, which the model reads before its instructions."""
        self._add(system_block(canonical(schema), self.counter))

    def text(self, role: str, text: str, marked: object = None) -> None:
        """Text that `role` said; `marked` is the breakpoint after it, if any."""
        opens = role == "system" and (not self.prefix.blocks or self.prefix.blocks[-1].level != "messages")
        self._add(system_block(text, self.counter) if opens else text_block(role, text, self.counter), marked)

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """A tool call that the model made."""
        self._add(tool_use_block(call_id, name, arguments, self.counter))

    def result(self, call_id: str, text: str, marked: object = None) -> None:
        """What the tool returned for a call."""
        self._add(tool_result_block(call_id, text, False, self.counter), marked)

    def other(self, role: str, content: Mapping[str, Any]) -> None:
        """Anything else, hashed whole; the breakpoint after it is no part of it."""
        kept = {name: held for name, held in content.items() if name != _BREAKPOINT}
        kind = str(content.get("type"))
        tokens = next((tokens for word, tokens in _TOKENS.items() if word in kind), None)
        if tokens is None:
            tokens = self.counter.count(canonical(kept))
        self._add(opaque_block(role, kept, tokens, eligible=True), content.get(_BREAKPOINT))

    def end_message(self) -> None:
        """Say that a message of the client's ends here."""
        if self.prefix.blocks:
            self.ends.append(len(self.prefix) - 1)

    def content(self, model: str, *told: object) -> bytes:
        """A hash of what is asked, whoever asks; `told` is what else the answer follows from."""
        hashed = blake2b(f"{model}\x1f{canonical(told)}".encode("utf-8", "surrogatepass"), digest_size=16)
        for block in self.prefix.blocks:
            hashed.update(block.digest)
        return hashed.digest()

    def _add(self, block: Block, marked: object = None) -> None:
        if marked is not None:
            self.marks.append(len(self.prefix))
        self.prefix.append(block)
