from __future__ import annotations

from pathlib import Path

import pytest
from server_for_tests import Served, in_warp

from mockllm import profiles
from mockllm.core.profile import ProfileError
from mockllm.core.reply import Script


def test_the_shipped_profiles_load_under_their_own_names() -> None:
    claude = ("claude-haiku-5-5", "claude-opus-5", "claude-sonnet-5")
    assert profiles.shipped() == (*claude, "flat-200ms-10ms", "gpt-5.6-terra", "self-hosted-example")
    for name in profiles.shipped():
        profile, content = profiles.load(name)
        assert profile.name == name
        assert content.startswith(b"# ")


def test_haiku_5_5_is_the_published_curve() -> None:
    ttft = profiles.load("claude-haiku-5-5")[0].ttft
    assert ttft.uncached_s_per_1k2 is not None
    for millions in (0.01, 0.1, 0.9):
        thousands = millions * 1000
        line_s = (
            ttft.intercept_s.value
            + ttft.uncached_s_per_1k.value * thousands
            + ttft.uncached_s_per_1k2.value * thousands**2
        )
        assert line_s == pytest.approx(1.12 + 1.47 * millions + 15.3 * millions**2)
    assert {ttft.intercept_s.evidence, ttft.uncached_s_per_1k.evidence} == {"published"}


@pytest.mark.parametrize("question", ["Is it late?", "word " * 100_000])
def test_the_flat_profile_sends_token_k_at_200_ms_and_k_times_10_ms_whatever_is_asked(question: str) -> None:
    flat, _ = profiles.load("flat-200ms-10ms")

    async def talk(served: Served) -> list[int]:
        asked = [{"role": "user", "content": question}]
        async with served.stream(model=flat.model, messages=asked) as stream:
            return [served.loop.now_us() async for event in stream if event.type == "content_block_delta"]

    moments = in_warp(talk, profile=flat, speak=lambda _: Script(500), connection_setup=True)
    assert moments == [200_000 + 10_000 * token for token in range(500)]


def test_the_flat_profile_claims_no_measurement_and_has_no_plausible_others() -> None:
    flat, _ = profiles.load("flat-200ms-10ms")
    assert {parameter.evidence for _, parameter in flat.parameters()} == {"defined"}
    assert flat.plausible(1, 1) == flat


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    _, content = profiles.load("claude-sonnet-5")
    own = tmp_path / "own.toml"
    own.write_bytes(content)
    assert profiles.load(str(own)) == profiles.load("claude-sonnet-5")


def test_installed_profiles_lie_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, content = profiles.load("claude-sonnet-5")
    (tmp_path / "_profiles").mkdir()
    (tmp_path / "_profiles" / "only.toml").write_bytes(content)
    monkeypatch.setattr(profiles, "_FOLDERS", (tmp_path / "_profiles", *profiles._FOLDERS))
    assert profiles.shipped() == ("only",)
    assert profiles.load("only")[1] == content


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("claude-sonet-5", "did you mean claude-sonnet-5"),
        ("llama", "the shipped ones are claude-haiku-5-5, claude-opus-5, claude-sonnet-5, flat-200ms-10ms"),
        ("absent.toml", "absent.toml: no such profile"),
        ("absent/own", "absent/own: no such profile"),
    ],
)
def test_an_unknown_profile_is_answered_in_one_line(asked: str, words: str) -> None:
    with pytest.raises(ProfileError) as refused:
        profiles.load(asked)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_broken_file_is_named_with_its_field(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_bytes(profiles.load("claude-sonnet-5")[1].replace(b"max_input_tokens = 1000000\n", b""))
    with pytest.raises(ProfileError, match=r"own\.toml: max_input_tokens: Field required"):
        profiles.load(str(own))
    own.write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="UTF-8"):
        profiles.load(str(own))
    with pytest.raises(ProfileError, match="cannot be read"):
        profiles.load(f"{tmp_path}/")
