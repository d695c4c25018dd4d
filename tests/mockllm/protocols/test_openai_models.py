from __future__ import annotations

from profiles_for_tests import make_profile

from mockllm.protocols.openai_models import CREATED, model_info, model_list


def test_one_profile_is_one_model() -> None:
    info = model_info(make_profile())
    assert info == {"id": "test-model", "object": "model", "created": CREATED, "owned_by": "anthropic"}
    assert model_list(info) == {"object": "list", "data": [info]}
