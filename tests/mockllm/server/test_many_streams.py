"""A thousand streams at once: each is whole, as long as planned, and done when it was planned to be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from server_for_tests import Recorder, Served, in_warp
from streams_for_tests import streamed

from mockllm.core.draws import Draws
from mockllm.core.speaker import DefaultSpeaker

COUNT = 1000


@pytest.mark.slow
def test_a_thousand_streams_at_once_are_whole_and_as_long_as_planned() -> None:
    async def talk(served: Served) -> tuple[list[tuple[str, int, int]], Any]:
        ended = await asyncio.gather(*[streamed(served, number) for number in range(COUNT)])
        assert isinstance(served.emulator, Recorder)
        return ended, served.emulator.answers

    ended, answers = in_warp(talk, speak=DefaultSpeaker(Draws(1, 0)))
    planned = {answer.reply.id: (answer.usage.output_tokens, answer.end_us) for answer in answers}
    assert len(planned) == COUNT
    assert {name: (tokens, at_us) for name, tokens, at_us in ended} == planned
