"""From the words of a command to a study: which arms, in which world, how often."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from latlab.declaration import ConfigError, parse_setting
from latlab.harness.study import (
    Arm,
    Pace,
    Plausible,
    Settings,
    Study,
    StudyError,
    each_alone_and_all,
    every_combination,
)
from latlab.harness.targets import Target, load_target
from mockllm.profiles import load

__all__ = ["DEMO_COMMAND", "WORLDS", "Asked", "command_of", "plan_demo", "plan_study"]

WORLDS = ("sim", "warp", "wire")
_RUNS = {"sim": 400, "warp": 6, "wire": 3}
CLIENTS = ("raw", "sdk")
_PLAUSIBLE = Plausible(profiles=64, runs=24)
_DEFAULT_PROFILE = "claude-sonnet-5"
_DEMO_TARGET = "tool_agent"
DEMO_COMMAND = "latlab demo"
DEFAULT_SEED = 1
DEFAULT_OUT = "results"


@dataclass(frozen=True, slots=True)
class Asked:
    """A `latlab run` as it was typed. None stands for an option that was left out."""

    target: str
    world: str | None = None
    profile: str = _DEFAULT_PROFILE
    fixed: Sequence[str] = ()
    varied: Sequence[str] = ()
    runs: int | None = None
    seed: int = DEFAULT_SEED
    executor: str | None = None
    out: str = DEFAULT_OUT
    speed: float | None = None
    client: str | None = None


def plan_study(asked: Asked) -> Study:
    """The study that `asked` describes; raises `LatlabError` or `ProfileError` with what is wrong and what would do."""
    target = load_target(asked.target)
    world = _world(asked.world, target)
    pace = _pace(asked, world, target)
    fixed = dict([_setting(text) for text in asked.fixed])
    if len(fixed) < len(asked.fixed):
        raise ConfigError(f"--set {_twice(asked.fixed)}=…: set twice; give one value, or compare several with --vary")
    varied = dict([_variation(text) for text in asked.varied])
    if len(varied) < len(asked.varied):
        raise ConfigError(f"--vary {_twice(asked.varied)}=…: varied twice; give all its values in one --vary")
    arms = _arms(target, fixed, varied)
    runs = _RUNS[world] if asked.runs is None else asked.runs
    profile, content = load(asked.profile)
    if profile.provider != "anthropic":
        raise StudyError(
            f"--profile {asked.profile}: is of the provider {profile.provider}, whose protocol no world speaks yet; "
            "give a profile of an anthropic model"
        )
    if profile.load is not None:
        raise StudyError(
            f"--profile {asked.profile}: its requests share a machine ([load]), which no world models; put load on it "
            "with mockllm serve"
        )
    plausible = None
    if world == "sim" and len(arms) > 1:
        plausible = replace(_PLAUSIBLE, runs=min(_PLAUSIBLE.runs, runs))
    toggles = tuple(sorted({*fixed, *varied}))
    return Study(target, world, profile.name, content, arms, runs, asked.seed, plausible, toggles, pace)


def plan_demo(seed: int) -> Study:
    """The main question: what streaming, prompt caching, parallel tools and connection reuse each do, and together."""
    off: Settings = {"streaming": False, "cache_control": "off", "parallel_tools": False, "connection_reuse": False}
    on: Settings = {
        "streaming": True,
        "cache_control": "conversation",
        "parallel_tools": True,
        "connection_reuse": True,
    }
    profile, content = load(_DEFAULT_PROFILE)
    arms = each_alone_and_all({}, off, on)
    target = load_target(_DEMO_TARGET)
    return Study(target, "sim", profile.name, content, arms, _RUNS["sim"], seed, _PLAUSIBLE, tuple(sorted(on)))


def command_of(asked: Asked, study: Study) -> str:
    """The command that runs `study` again, with nothing left to a default that could change."""
    parts = ["latlab", "run", asked.target, "--world", study.world, "--profile", asked.profile]
    parts += [part for text in asked.fixed for part in ("--set", text)]
    parts += [part for text in asked.varied for part in ("--vary", text)]
    parts += ["--runs", str(study.runs), "--seed", str(study.seed)]
    if study.pace is not None:
        parts += ["--speed", f"{study.pace.speed:g}"]
        parts += ["--client", "sdk" if study.pace.sdk else "raw"] if study.target.kind != "agent" else []
    if asked.out != DEFAULT_OUT:
        parts += ["--out", asked.out]
    return shlex.join(parts)


def _world(asked: str | None, target: Target) -> str:
    if asked is None:
        return "warp" if target.kind == "agent" else "sim"
    if asked not in WORLDS:
        near = get_close_matches(asked, WORLDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(WORLDS)}"
        raise StudyError(f"--world {asked}: no such world; {hint}")
    if asked == "sim" and target.kind == "agent":
        raise StudyError(
            f"{target.given}: an agent of your own uses the SDK, which sim has none of; use --world warp or wire"
        )
    return asked


def _pace(asked: Asked, world: str, target: Target) -> Pace | None:
    if world != "wire":
        for option, given in (("--speed", asked.speed), ("--client", asked.client)):
            if given is not None:
                raise StudyError(f"{option} {given}: is for real time; add --world wire")
        return None
    if asked.client is not None and asked.client not in CLIENTS:
        raise StudyError(f"--client {asked.client}: no such client; there are {', '.join(CLIENTS)}")
    if asked.client == "raw" and target.kind == "agent":
        raise StudyError(f"{target.given}: an agent of your own uses the SDK; leave out --client raw")
    if asked.executor == "processes":
        raise StudyError("--executor processes: runs in real time would disturb one another; leave it out")
    return Pace(1.0 if asked.speed is None else asked.speed, target.kind == "agent" or asked.client == "sdk")


def _arms(target: Target, fixed: Settings, varied: dict[str, tuple[bool | str, ...]]) -> tuple[Arm, ...]:
    both = sorted(set(fixed) & set(varied))
    if both:
        raise ConfigError(f"{both[0]}: is both set and varied; choose one")
    if "cache_start" in varied:
        raise ConfigError("cache_start: is a condition of the whole study; set it with --set and compare two studies")
    if varied or target.kind != "benchmark":
        return every_combination({**target.toggles, **fixed}, varied)
    on = {name: value for name, value in target.toggles.items() if name not in fixed}
    return each_alone_and_all(fixed, {name: _opposite(value) for name, value in on.items()}, on)


def _opposite(value: bool | str) -> bool | str:
    if isinstance(value, bool):
        return not value
    return "conversation" if value == "off" else "off"


def _twice(texts: Sequence[str]) -> str:
    """The toggle that `texts` name more than once."""
    names = [text.partition("=")[0] for text in texts]
    return next(name for name in names if names.count(name) > 1)


def _setting(text: str) -> tuple[str, bool | str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: not of the form TOGGLE=VALUE")
    return name, parse_setting(name, value)


def _variation(text: str) -> tuple[str, tuple[bool | str, ...]]:
    name, equals, values = text.partition("=")
    if not equals:
        raise ConfigError(f"--vary {text}: not of the form TOGGLE=VALUE,VALUE")
    parsed = tuple([parse_setting(name, value) for value in values.split(",")])
    if len(set(parsed)) < len(parsed) or len(parsed) < 2:
        raise ConfigError(f"--vary {text}: needs two or more different values, the baseline first")
    return name, parsed
