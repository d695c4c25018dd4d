from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from mockllm.server.together import Together


def test_each_step_is_done_for_all_that_came_before_the_next() -> None:
    said: list[str] = []
    together = Together[str](lambda item: said.append(f"read {item}"), lambda item: said.append(f"plan {item}"))

    async def main() -> None:
        await asyncio.gather(*[together.through(item) for item in "abc"])
        await together.through("d")

    asyncio.run(main())
    assert said == ["read a", "read b", "read c", "plan a", "plan b", "plan c", "read d", "plan d"]


def test_what_a_step_raises_ends_the_way_of_its_own_item_alone() -> None:
    planned: list[str] = []

    def read(item: str) -> None:
        if item == "bad":
            raise ValueError(item)

    together = Together[str](read, planned.append)

    async def main() -> list[BaseException | None]:
        ways = [together.through(item) for item in ("a", "bad", "c")]
        return await asyncio.gather(*ways, return_exceptions=True)

    ended = asyncio.run(main())
    assert [type(one) for one in ended] == [type(None), ValueError, type(None)]
    assert planned == ["a", "c"]


def test_a_step_may_raise_what_no_future_takes() -> None:
    together = Together[str](lambda item: next(iter([item] if item == "a" else [])) and None)

    async def main() -> list[BaseException | None]:
        return await asyncio.gather(*[together.through(item) for item in "ab"], return_exceptions=True)

    first, second = asyncio.run(main())
    assert first is None
    assert isinstance(second, RuntimeError)
    assert isinstance(second.__cause__, StopIteration)


def test_an_error_holds_on_to_nobody_once_it_was_seen() -> None:
    class Item:
        pass

    def refuse(item: Item) -> None:
        raise ValueError

    together = Together[Item](refuse)

    async def main() -> list[weakref.ref[Item]]:
        items = [Item() for _ in range(3)]
        for ended in await asyncio.gather(*[together.through(item) for item in items], return_exceptions=True):
            assert isinstance(ended, ValueError)
        del ended
        return [weakref.ref(item) for item in items]

    gc.disable()
    try:
        assert [held() for held in asyncio.run(main())] == [None] * 3
    finally:
        gc.enable()


def test_nothing_is_done_for_who_is_gone_before_its_turn() -> None:
    done: list[str] = []
    together = Together[str](done.append)

    async def main() -> None:
        waiting = asyncio.ensure_future(together.through("gone"))
        waiting.cancel()
        await together.through("here")
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert done == ["here"]


def test_who_comes_while_a_step_is_done_goes_with_the_next() -> None:
    said: list[str] = []
    later: list[asyncio.Future[None]] = []

    def read(item: str) -> None:
        said.append(f"read {item}")
        if item == "a":
            later.append(together.through("b"))

    together = Together[str](read, lambda item: said.append(f"plan {item}"))

    async def main() -> None:
        await together.through("a")
        await later[0]

    asyncio.run(main())
    assert said == ["read a", "plan a", "read b", "plan b"]
