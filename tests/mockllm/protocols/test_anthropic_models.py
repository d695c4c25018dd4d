from __future__ import annotations

import pytest
from anthropic.types import ModelInfo
from profiles_for_tests import make_profile

from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_models import model_info, model_list


def test_an_entry_has_every_field_that_the_sdk_s_strict_mode_demands() -> None:
    info = model_info(make_profile())
    assert set(info) == set(ModelInfo.model_fields)
    assert ModelInfo.model_validate(info).id == "test-model"


def test_the_list_is_one_page() -> None:
    info = model_info(make_profile())
    assert model_list(info) == {"data": [info], "has_more": False, "first_id": "test-model", "last_id": "test-model"}


@pytest.mark.parametrize("query", [{"limit": "1"}, {"limit": "1000"}, {"beta": "true", "lifecycle": "active"}])
def test_one_model_fits_on_every_page(query: dict[str, str]) -> None:
    assert model_list(model_info(make_profile()), query)["first_id"] == "test-model"


@pytest.mark.parametrize("cursor", ["after_id", "before_id"])
def test_there_is_nothing_beside_the_one_model(cursor: str) -> None:
    page = model_list(model_info(make_profile()), {cursor: "test-model", "limit": "5"})
    assert page == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        *[
            ({"limit": limit}, "limit: Input should be a valid integer from 1 to 1000")
            for limit in ("0", "1001", "-1", "x", "", "1.5", "\u0661", "9" * 5000)
        ],
        ({"after_id": "other"}, "after_id: no model 'other'"),
        ({"before_id": ""}, "before_id: no model ''"),
        ({"after_id": "test-model", "before_id": "test-model"}, "after_id: cannot be used together with before_id"),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        model_list(model_info(make_profile()), query)
    assert (caught.value.status, caught.value.message) == (400, message)
