"""A reply cut at its flushes: which part of which text arrives when. Each protocol writes its pieces itself.

Thinking takes its tokens' time and yields no piece: OpenAI's API never shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from mockllm.core.passage import Content, Passage
from mockllm.core.reply import Reply, Text, Thinking, ToolUse
from mockllm.core.request import TokenCounter, write_out
from mockllm.core.timeline import Flush

__all__ = ["Piece", "pieces", "shares", "visible"]


class Piece(NamedTuple):
    """What one flush brings of a part: `text`, possibly none where it only `opens` or `closes` the part.

    `number` counts the visible parts from 0, and `tokens` all that have arrived by then.
    """

    at_us: int
    number: int
    part: Text | ToolUse
    text: str
    opens: bool
    closes: bool
    tokens: int


def visible(reply: Reply) -> list[Text | ToolUse]:
    """The parts that a client sees."""
    return [part for part in reply.parts if not isinstance(part, Thinking)]


def pieces(reply: Reply, flushes: Sequence[Flush], counter: TokenCounter) -> Iterator[Piece]:
    """The visible parts in order, each cut in proportion to the tokens that its flushes bring.

    The first piece of a text holds a character at least, so that it is visible when its first token arrives.
    """
    arrived = list(accumulate([flush.tokens for flush in flushes]))
    number, begun, place = -1, 0, 0
    for part, tokens in zip(reply.parts, shares(reply, counter), strict=True):
        ended = begun + tokens
        while place < len(flushes) - 1 and arrived[place] <= begun:
            place += 1
        if not isinstance(part, Thinking):
            number += 1
            text = write_out(part.content, counter) if isinstance(part, Text) else part.json
            least = 1 if isinstance(part, Text) else 0
            sent = -1
            while True:
                closes = arrived[place] >= ended or place == len(flushes) - 1
                share = len(text) if closes else max(least, len(text) * (arrived[place] - begun) // tokens)
                if share > sent:
                    piece = text[max(sent, 0) : share]
                    yield Piece(flushes[place].at_us, number, part, piece, sent < 0, closes, arrived[place])
                elif closes:
                    yield Piece(flushes[place].at_us, number, part, "", False, True, arrived[place])
                sent = share
                if closes:
                    break
                place += 1
        begun = ended


def shares(reply: Reply, counter: TokenCounter) -> list[int]:
    """The output tokens of each part; the last takes those of a tool call that was cut off."""
    found = [
        counter.count(part.name) + counter.count(part.json)
        if isinstance(part, ToolUse)
        else _tokens(part.content, counter)
        for part in reply.parts
    ]
    if found:
        found[-1] = max(1, found[-1] + reply.output_tokens - sum(found))
    return found


def _tokens(content: Content, counter: TokenCounter) -> int:
    return content.tokens if isinstance(content, Passage) else max(1, counter.count(content))
