from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai_for_tests import openai_in_warp
from server_for_tests import MODEL, Served


def test_each_sdk_lists_the_models_in_its_own_shape() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[list[Any], list[Any]]:
        return [each async for each in sdk.models.list()], [each async for each in served.sdk.models.list()]

    ours, theirs = openai_in_warp(talk)
    assert [(each.object, each.id) for each in ours] == [("model", MODEL)]
    assert [(each.type, each.id) for each in theirs] == [("model", MODEL)]


def test_one_model_is_found_by_its_name_and_no_other() -> None:
    async def talk(sdk: AsyncOpenAI, served: Served) -> tuple[Any, openai.NotFoundError, Any]:
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk.models.retrieve("gpt-nobody")
        return await sdk.models.retrieve(MODEL), caught.value, await served.sdk.models.retrieve(MODEL)

    found, missing, theirs = openai_in_warp(talk)
    assert found.id == theirs.id == MODEL
    assert missing.code == "model_not_found"
