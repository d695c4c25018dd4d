from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from studies_for_tests import ROOT, scenario_file, write_profile

from latlab import LatlabError
from latlab.__main__ import app
from latlab.declaration import as_settings
from latlab.harness import shell
from latlab.harness.planning import Asked, command_of, plan_demo, plan_study
from latlab.harness.study import Pace, StudyError, pace_of, study_id
from mockllm import MockLLMError

AGENT = str(ROOT / "examples" / "own_agent.py")


@pytest.fixture(autouse=True)
def _path_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def refusal(target: str = "simple_qa", **asked: Any) -> str:
    with pytest.raises((LatlabError, MockLLMError)) as error:
        plan_study(Asked(target, **asked))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"fixed": ["streaming"]}, "--set streaming: not of the form TOGGLE=VALUE"),
        ({"fixed": ["streming=true"]}, "streming: no such toggle; did you mean streaming?"),
        ({"fixed": ["qqq=true"]}, "qqq: no such toggle; there are streaming,"),
        ({"fixed": ["streaming=maybe"]}, "streaming=maybe: no such value; streaming takes"),
        ({"fixed": ["cache_control=everything"]}, "cache_control takes off, system, conversation, auto"),
        ({"fixed": ["streaming=true", "streaming=false"]}, "--set streaming=…: set twice"),
        ({"varied": ["streaming"]}, "--vary streaming: not of the form TOGGLE=VALUE,VALUE"),
        ({"varied": ["streaming=true"]}, "--vary streaming=true: needs two or more different values"),
        ({"varied": ["streaming=true,on"]}, "--vary streaming=true,on: needs two or more different values"),
        ({"varied": ["streaming=false,maybe"]}, "streaming=maybe: no such value"),
        ({"varied": ["streaming=false,"]}, "streaming=: no such value"),
        ({"varied": ["streaming=false,true", "streaming=true,false"]}, "--vary streaming=…: varied twice"),
        ({"varied": ["streaming=false,true"], "fixed": ["streaming=true"]}, "streaming: is both set and varied"),
        ({"varied": ["cache_start=cold,warm"]}, "cache_start: is a condition of the whole study"),
        ({"world": "wrap"}, "--world wrap: no such world; did you mean warp?"),
        ({"world": "mars-x"}, "--world mars-x: no such world; there are sim, warp, wire"),
        ({"speed": 20.0}, "--speed 20.0: is for real time; add --world wire"),
        ({"world": "warp", "client": "sdk"}, "--client sdk: is for real time; add --world wire"),
        ({"world": "wire", "client": "curl"}, "--client curl: no such client; there are raw, sdk"),
        ({"world": "wire", "executor": "processes"}, "runs in real time would disturb one another"),
        ({"target": AGENT, "world": "wire", "client": "raw"}, "an agent of your own uses the SDK"),
        ({"profile": "claude-sonet-5"}, "did you mean claude-sonnet-5"),
        ({"profile": "no/such.toml"}, "no/such.toml: no such profile"),
        ({"target": "tool_agnet"}, "tool_agnet: no such scenario or benchmark; did you mean tool_agent?"),
        ({"target": AGENT, "world": "sim"}, "use --world warp"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_planned_is_refused_in_one_line(asked: dict[str, Any], said: str) -> None:
    assert said in refusal(**asked)


def test_an_unknown_executor_is_refused_before_anything_is_planned() -> None:
    asked = Asked("no_such_target", executor="threads")
    with pytest.raises(LatlabError, match=r"--executor threads: no such executor; there are inline, processes"):
        shell.run(asked, as_json=True, dry_run=True, fresh=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = \nmodel = 'x'\n", "line 1"),
        ("name = 'x'\n[ttft\n", "line 2"),
        ("name = 'x'\n", "model"),
    ],
    ids=["no value", "no bracket", "no fields"],
)
def test_a_malformed_profile_is_refused_with_file_and_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    refused = refusal(profile=str(path))
    assert str(path) in refused
    assert said in refused


def test_a_profile_with_a_word_for_a_number_is_refused_with_the_field(tmp_path: Path) -> None:
    path = write_profile(tmp_path / "p.toml", max_input_tokens="many")
    assert "max_input_tokens" in refusal(profile=str(path))


def test_a_scenario_runs_in_sim_400_times_and_an_agent_in_warp_6_times() -> None:
    scenario, agent = plan_study(Asked("simple_qa")), plan_study(Asked(AGENT))
    assert (scenario.world, scenario.runs) == ("sim", 400)
    assert (agent.world, agent.runs) == ("warp", 6)


def test_a_study_in_real_time_has_a_pace_which_is_part_of_what_it_is() -> None:
    studies = [
        plan_study(Asked("simple_qa", world="wire", **asked))
        for asked in ({}, {"speed": 20.0}, {"client": "sdk"})  # type: ignore[arg-type]  # one field each
    ]
    assert [study.pace for study in studies] == [Pace(1.0, sdk=False), Pace(20.0, sdk=False), Pace(1.0, sdk=True)]
    assert [pace_of(study) for study in studies[1:]] == [
        {"speed": 20.0, "client": "raw"},
        {"speed": 1.0, "client": "sdk"},
    ]
    assert len({study_id(study) for study in studies}) == 3
    assert studies[0].runs == 3
    assert plan_study(Asked(AGENT, world="wire")).pace == Pace(1.0, sdk=True)
    assert plan_study(Asked("simple_qa", world="warp")).pace is None
    assert pace_of(plan_study(Asked("simple_qa"))) == {}


def test_plausible_profiles_are_drawn_where_arms_are_compared_in_sim_and_nowhere_else() -> None:
    vary = ["streaming=false,true"]
    assert plan_study(Asked("simple_qa")).plausible is None
    assert plan_study(Asked("simple_qa", varied=vary, world="warp")).plausible is None
    compared = plan_study(Asked("simple_qa", varied=vary)).plausible
    assert compared is not None
    few = plan_study(Asked("simple_qa", varied=vary, runs=3)).plausible
    assert few is not None
    assert (few.profiles, few.runs) == (compared.profiles, 3)


def test_set_holds_in_every_arm_and_the_first_value_varied_is_the_baseline() -> None:
    study = plan_study(Asked("simple_qa", fixed=["streaming=on"], varied=["cache_control=auto,off"]))
    assert [(arm.label, arm.difference) for arm in study.arms] == [
        ("baseline", {}),
        ("cache_control=off", {"cache_control": "off"}),
    ]
    assert [(arm.config.streaming, arm.config.cache_control) for arm in study.arms] == [(True, "auto"), (True, "off")]


def test_an_agent_is_overruled_only_in_what_was_set_or_varied() -> None:
    study = plan_study(Asked(AGENT, fixed=["connection_reuse=false"], varied=["cache_control=off,auto"]))
    assert study.toggles == ("cache_control", "connection_reuse")
    assert plan_study(Asked(AGENT)).toggles == ()


def test_a_benchmark_has_an_arm_with_each_toggle_off_each_alone_and_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from latlab import benchmark\n@benchmark(streaming=True, cache_control=True, connection_reuse=False)\n"
        "async def mine(config): pass\n"
    )
    study = plan_study(Asked(str(path)))
    assert [arm.label for arm in study.arms] == [
        "baseline",
        "streaming=true",
        "cache_control=conversation",
        "connection_reuse=false",
        "all together",
    ]
    assert as_settings(study.arms[0].config) | {"cache_start": "cold"} == {
        "streaming": False,
        "cache_control": "off",
        "parallel_tools": False,
        "connection_reuse": True,
        "cache_start": "cold",
    }


def test_what_is_set_is_no_longer_an_arm_of_a_benchmark() -> None:
    study = plan_study(Asked("caching", fixed=["cache_control=auto"]))
    assert [arm.label for arm in study.arms] == ["baseline"]
    assert study.arms[0].config.cache_control == "auto"


def test_what_is_varied_takes_the_place_of_a_benchmarks_own_arms() -> None:
    study = plan_study(Asked("caching", varied=["streaming=false,true"]))
    assert [arm.label for arm in study.arms] == ["baseline", "streaming=true"]
    assert {arm.config.cache_control for arm in study.arms} == {"conversation"}


def test_a_benchmark_of_caching_switched_off_compares_it_with_caching(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from latlab import benchmark\n@benchmark(cache_control=False)\nasync def mine(config): pass\n")
    study = plan_study(Asked(str(path)))
    assert [arm.config.cache_control for arm in study.arms] == ["conversation", "off"]


def test_the_demo_asks_the_main_question() -> None:
    study = plan_demo(1)
    assert (study.target.name, study.world, study.runs, study.profile) == ("tool_agent", "sim", 400, "claude-sonnet-5")
    assert [arm.label for arm in study.arms] == [
        "baseline",
        "streaming=true",
        "cache_control=conversation",
        "parallel_tools=true",
        "connection_reuse=true",
        "all together",
    ]


def reproduced(command: str, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the command line makes of `command`."""
    asked: list[Asked] = []
    monkeypatch.setattr(shell, "run", lambda one, **_: asked.append(one))
    program, *arguments = shlex.split(command)
    assert program == "latlab"
    typer.main.get_command(app).main(arguments, standalone_mode=False)
    return asked[0]


@pytest.mark.parametrize(
    "asked",
    [
        Asked("simple_qa"),
        Asked("simple_qa", seed=9, runs=7, fixed=["cache_start=warm"], varied=["streaming=off,on"], out="my results"),
        Asked("caching", world="warp", profile="claude-opus-5"),
        Asked("caching", world="wire", speed=20.0, client="sdk"),
        Asked(AGENT, world="wire", speed=0.5),
        Asked(AGENT, fixed=["streaming=true", "connection_reuse=false"], varied=["cache_control=off,auto"]),
    ],
    ids=["plain", "much", "benchmark", "wire", "agent in wire", "agent"],
)
def test_the_command_that_reproduces_a_study_asks_for_the_same_study(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = plan_study(asked)
    again = reproduced(command_of(asked, study), monkeypatch)
    assert study_id(plan_study(again)) == study_id(study)
    assert again.out == asked.out


def test_the_command_that_reproduces_a_file_with_a_blank_in_its_path_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(str(scenario_file(tmp_path / "my own")), profile=str(write_profile(tmp_path / "a b.toml")))
    study = plan_study(asked)
    assert study_id(plan_study(reproduced(command_of(asked, study), monkeypatch))) == study_id(study)


def test_the_command_that_reproduces_leaves_nothing_to_a_default_that_could_change() -> None:
    asked = Asked("simple_qa")
    command = command_of(asked, plan_study(asked))
    assert command == "latlab run simple_qa --world sim --profile claude-sonnet-5 --runs 400 --seed 1"


def test_a_profile_whose_protocol_no_world_speaks_is_refused(tmp_path: Path) -> None:
    profile = write_profile(tmp_path / "gpt.toml", provider="openai")
    with pytest.raises(StudyError, match="is of the provider openai"):
        plan_study(Asked("simple_qa", profile=str(profile)))


def test_a_profile_whose_requests_share_a_machine_is_refused(tmp_path: Path) -> None:
    parameter = {"evidence": "assumed", "source": "t", "interval": [1.0, 9.0], "reason": "t", "value": 2.0}
    load = {"slots": parameter, "queue_most": parameter, "total_tokens_per_s": parameter}
    profile = write_profile(tmp_path / "shared.toml", load=load)
    with pytest.raises(StudyError, match=r"its requests share a machine \(\[load\]\)"):
        plan_study(Asked("simple_qa", profile=str(profile)))
