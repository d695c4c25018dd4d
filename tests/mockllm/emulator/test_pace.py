from __future__ import annotations

from mockllm.clock.sim_loop import SimLoop
from mockllm.emulator.pace import Fixed


def test_a_moment_is_a_deadline_from_the_beginning_and_nothing_where_it_has_passed() -> None:
    loop = SimLoop()  # type: ignore[abstract]  # all that asyncio needs here

    async def wait() -> list[int]:
        await loop.sleep_until(1_000)
        pace = Fixed(loop, 500)
        assert pace.reach(500) is None
        reached = []
        for at_us in (600, 501, 10_000):
            due = pace.reach(at_us)
            if due is not None:
                await due
            reached.append(loop.now_us())
        return reached

    try:
        assert loop.run_until_complete(wait()) == [1_100, 1_100, 10_500]
    finally:
        loop.close()
