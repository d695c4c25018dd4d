"""Forms of secrets: found wherever they stand, and not in ordinary words."""

from __future__ import annotations

import pytest

from mockllm.core.secret_forms import CREDENTIAL, ORGANIZATION, secrets_in

KEY = "sk-ant-api03-Zx8_QwErTy-0123456789abcdefAA"
UUID = "3f2b8a10-77aa-4c1e-9d2f-0a1b2c3d4e5f"


def without_secrets(text: str) -> str:
    for start, end, placeholder in sorted(set(secrets_in(text)), reverse=True):
        text = text[:start] + placeholder + text[end:]
    return text


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-proj-0123456789abcdefghijklmn",
        "sk-abcd********************wxyz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl_-",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "ya29.a0AfH6SMBx0123456789",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "xoxb-123456789012-abcdef",
        "hf_abcdefghijklmnopqrstuvwxyz",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "key: {}.", '{{"k":"{}"}}', "line\\n{}", "\\u0022{} ", "?q=%20{}&x=1", "({})"]
)
def test_whatever_looks_like_a_key_is_removed(secret: str, around: str) -> None:
    text = without_secrets(around.format(secret))
    assert secret not in text
    assert CREDENTIAL in text
    assert text.startswith(around.partition("{}")[0].replace("{{", "{"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: Bearer abcdef.GHIJKL+mno/pqr=", f"Authorization: Bearer {CREDENTIAL}"),
        ('{"api_key": "0123456789abcdefXYZ"}', f'{{"api_key": "{CREDENTIAL}"}}'),
        (
            "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            f"AWS_SECRET_ACCESS_KEY={CREDENTIAL}",
        ),
        ("rate limit (org: org-abcDEF123456789)", f"rate limit (org: {ORGANIZATION})"),
        (f"limit of 5 (org: {UUID}, model: m)", f"limit of 5 (org: {ORGANIZATION}, model: m)"),
        (f'{{"organization_id":"{UUID}"}}', f'{{"organization_id":"{ORGANIZATION}"}}'),
        (f"/v1/organizations/{UUID}/users", f"/v1/organizations/{ORGANIZATION}/users"),
        (f'"workspaceId": "{UUID}"', f'"workspaceId": "{ORGANIZATION}"'),
        ("in wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ", f"in {ORGANIZATION}"),
    ],
)
def test_what_its_name_gives_away_is_removed_and_the_name_is_kept(text: str, kept: str) -> None:
    assert without_secrets(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "risk-assessment-and-management-of-things",
        "password = settings.default_password",
        "a bearer of news",
        f"id {UUID}",
        "task-0123456789abcdefghij",
        "x" * 500,
        "api_key=" * 20_000,  # looked at once, and not from every place on
        "eyJ-" * 20_000,
        "",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert without_secrets(text) == text
