"""Names of a prompt's beginnings, cut at whole steps of tokens and not at its blocks.

A message that grew shares with its shorter self what both begin with. So a beginning is named by the blocks before the
one that it ends in, and by that block's text as far as its tokens reach. Two prompts have a name in common exactly
where they agree up to there, wherever their blocks end.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from mockllm.core.request import TokenCounter, write_out

if TYPE_CHECKING:
    from mockllm.core.request import Block, Request

__all__ = ["step_names"]

_BYTES = 16


def step_names(request: Request, scope: str, first: int, step: int, counter: TokenCounter) -> list[bytes]:
    """The names of the first `first` tokens, `first + step`, and so on, as far as the prompt reaches.

    Names of different scopes never meet. A block whose tokens are not those of its text (an image, a tool call) is one
    piece: beginnings that end in it are named by all of it.
    """
    names: list[bytes] = []
    before = blake2b(scope.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
    at = first
    blocks, totals = request.prefix.blocks, request.prefix.totals
    for index in range(request.size):
        block, begun, ended = blocks[index], totals[index], totals[index + 1]
        hashed = blake2b(before + _head(block), digest_size=_BYTES)
        text, sent = write_out(block.content, counter), 0
        divisible = counter.count(text) == block.tokens
        if not divisible:
            hashed.update(_encoded(text))
            sent = len(text)
        while at <= ended:
            upto = min(len(text), counter.characters(at - begun)) if divisible else sent
            hashed.update(_encoded(text[sent:upto]))
            sent = upto
            names.append(hashed.digest() if divisible else _numbered(hashed.digest(), at))
            at += step
        hashed.update(_encoded(text[sent:]))
        before = hashed.digest()
    return names


def _numbered(name: bytes, at: int) -> bytes:
    return blake2b(name + str(at).encode(), digest_size=_BYTES).digest()


def _head(block: Block) -> bytes:
    return _encoded(f"{block.level} {block.kind} {len(block.owner)} {block.owner}")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
