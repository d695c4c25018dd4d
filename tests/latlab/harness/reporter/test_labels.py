from __future__ import annotations

from latlab.harness.reporter.labels import arm_name, settings, subject, unbreakable, wrapped


def test_settings_read_as_the_command_line_spells_them_in_the_order_of_their_names() -> None:
    assert settings({"streaming": True, "cache_control": "off"}) == "cache_control=off, streaming=true"


def test_an_arm_without_label_is_named_by_its_difference() -> None:
    assert arm_name({"label": "all", "config": {"streaming": True}}) == "all"
    assert arm_name({"config": {"streaming": True}}) == "streaming=true"
    assert arm_name({"config": {}}) == "baseline"


def test_the_subject_names_a_profile_only_where_there_is_one() -> None:
    assert subject({"target": "t", "profile": "p"}) == "t on p"
    assert subject({"target": "t", "profile": None}) == "t"


def test_names_break_after_separators_and_words_stay_whole() -> None:
    name = "cache_control=conversation, streaming=true"
    assert wrapped(name, 27) == "cache_control=conversation,\nstreaming=true"
    assert wrapped(name, 14) == "cache_control=\nconversation,\nstreaming=true"
    assert wrapped(name, 3) == "cache_control=\nconversation,\nstreaming=\ntrue"
    assert wrapped(name, 100) == name
    assert unbreakable(name) == len("cache_control=")


def test_a_name_without_separators_or_letters_is_itself() -> None:
    assert wrapped("baseline", 4) == "baseline"
    assert wrapped("", 4) == ""
    assert unbreakable("=") == 1
