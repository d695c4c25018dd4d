from __future__ import annotations

from anthropic.types import ModelInfo
from profiles_for_tests import make_profile

from mockllm.protocols.anthropic_models import model_info, model_list


def test_an_entry_has_every_field_that_the_sdk_s_strict_mode_demands() -> None:
    info = model_info(make_profile())
    assert set(info) == set(ModelInfo.model_fields)
    assert ModelInfo.model_validate(info).id == "test-model"


def test_the_list_is_one_page() -> None:
    info = model_info(make_profile())
    assert model_list(info) == {"data": [info], "has_more": False, "first_id": "test-model", "last_id": "test-model"}
