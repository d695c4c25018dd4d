"""Names of secrets: told in every spelling, and from names that only sound like them."""

from __future__ import annotations

import pytest

from mockllm.core.secret_names import (
    is_list_of_secrets,
    is_organization_field,
    is_secret_field,
    is_secret_parameter,
)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "apiKey",
            "API_KEY",
            "apikey",
            "APIKey",
            "x-api-key",
            "OPENAI_API_KEY",
            "Ocp-Apim-Subscription-Key",
        ),
        *("password", "dbPassword", "secret", "client_secret", "clientSecret", "authorization", "Authorization"),
        *("authorization_token", "access_token", "accessToken", "token", "GITHUB_TOKEN", "credential", "credentials"),
        *("aws_access_key_id", "AWSAccessKeyId", "private_key", "cookie"),
    ],
)
def test_a_field_is_a_secret_in_every_spelling(name: str) -> None:
    assert is_secret_field(name)


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "input_tokens", "usage", "tokens", "token_type", "token_count", "stop_sequence", "eos_token"),
        *("next_page_token", "prompt_cache_key", "key", "monkey", "author", "secretary", "signature", "password_hint"),
        *("", "a" * 200 + "_token"),
    ],
)
def test_a_field_that_only_sounds_like_one_is_none(name: str) -> None:
    assert not is_secret_field(name)
    assert not is_list_of_secrets(name)


def test_lists_parameters_and_organisations_have_names_of_their_own() -> None:
    assert is_list_of_secrets("api_keys")
    assert not is_list_of_secrets("password")  # a schema's `dependentRequired` has such lists
    assert all(map(is_secret_parameter, ("key", "sig", "X-Amz-Signature", "session", "sessionId", "AWSAccessKeyId")))
    assert not any(map(is_secret_parameter, ("monkey", "beta", "limit", "after_id", "max_tokens")))
    assert all(map(is_organization_field, ("organization", "organisationId", "org_id", "organization_name")))
    assert not any(map(is_organization_field, ("org", "organizations", "reorganization", "organized_by")))
