from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles_for_tests import make_profile

from latlab.calibration.profile_file import ProfileFileError, profile_text, refuse_unwritable, write_profile
from mockllm.core.profile import Parameter, Price, parse_profile

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def parameters(draw: st.DrawFn) -> Parameter:
    low, value, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return Parameter(
        value=value,
        interval=draw(st.sampled_from([None, (low, high)])),
        evidence=draw(st.sampled_from(["measured", "published"])),
        source=draw(texts),
        reason=draw(texts),
        n=draw(st.none() | st.integers(0, 10**6)),
    )


@given(summary=texts, slope=parameters(), quadratic=st.none() | parameters(), source=texts, header=st.lists(texts))
def test_a_written_profile_reads_back_as_itself(
    summary: str, slope: Parameter, quadratic: Parameter | None, source: str, header: list[str]
) -> None:
    plain = make_profile()
    price = plain.price[0].model_copy(update={"source": source, "up_to_tokens": 1000})
    ttft = plain.ttft.model_copy(update={"uncached_s_per_1k": slope, "uncached_s_per_1k2": quadratic})
    profile = plain.model_copy(update={"summary": summary, "ttft": ttft, "price": (price, *plain.price)})
    assert isinstance(profile.price[0], Price)
    assert parse_profile(profile_text(profile, header), "test") == profile


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "p.toml"
    write_profile("first", out)
    write_profile("second\n", out)
    assert out.read_bytes() == b"second\n"
    assert list(tmp_path.iterdir()) == [out]


def test_a_place_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    for out in (tmp_path / "absent" / "p.toml", tmp_path):
        for attempt in (lambda out=out: refuse_unwritable(out), lambda out=out: write_profile("text", out)):
            with pytest.raises(ProfileFileError) as refused:
                attempt()
            assert str(out) in str(refused.value)
            assert "\n" not in str(refused.value)
    refuse_unwritable(tmp_path / "new.toml")
    assert [path.name for path in tmp_path.iterdir()] == []
