"""Passages: text of an exact token count that is only written out where bytes are wanted.

A simulated conversation of 100,000 tokens would spend its time copying and hashing filler. A passage is its key and its
length; it renders to the same text wherever it is rendered, and rendered text is recognised as the passage it came
from, so a passage and its own text are one and the same prompt to the cache.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, TypeAlias

__all__ = ["Content", "Passage", "recognise"]

_WORDS = (
    "the request waits while a queue of earlier prompts drains and each answer leaves one flush at a time "
    "so what a reader sees first is rarely what took longest to prepare measure the wait before the words "
    "and count what was read from the cache apart from what had to be computed again for this very turn "
)
_TAG = re.compile(r"\[([A-Za-z0-9._~/:-]{1,120}) ([1-9][0-9]{0,8})\] ")


class Passage(NamedTuple):
    """`tokens` tokens of filler, distinct for every `key` (plain names joined by / : . _ ~ -, 120 characters)."""

    key: str
    tokens: int

    def tag(self) -> str:
        """What the rendered text begins with; it alone makes two passages differ."""
        return f"[{self.key} {self.tokens}] "

    def render(self, characters: int) -> str:
        """The passage as `characters` characters of text; the caller's token rule says how many its tokens need."""
        return _render(self.tag(), characters)


Content: TypeAlias = str | Passage


@lru_cache(maxsize=64)
def _render(tag: str, characters: int) -> str:
    filler = max(0, characters - len(tag))
    return (tag + _WORDS * (filler // len(_WORDS) + 1))[:characters]


def recognise(text: str) -> Passage | None:
    """The passage whose whole tag `text` begins with, if any. The caller still compares the rest."""
    found = _TAG.match(text)
    return Passage(found[1], int(found[2])) if found else None
