"""How a scenario and a benchmark are declared, and how words become a configuration."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from latlab import LatlabError
from latlab.config import BenchmarkConfig
from latlab.lab import Lab
from latlab.optimizations import TOGGLES, Toggle

__all__ = [
    "CONDITIONS",
    "Benchmark",
    "ConfigError",
    "Scenario",
    "as_settings",
    "benchmark",
    "configure",
    "parse_setting",
    "scenario",
]

CONDITIONS: tuple[Toggle, ...] = (
    Toggle(
        "cache_start", ("cold", "warm"), "cold", "condition: whether the system prompt was cached just before a run"
    ),
)
_WORDS = {"true": True, "false": False}
_ALIASES = {"on": "true", "yes": "true", "1": "true", "off": "false", "no": "false", "0": "false"}


class ConfigError(LatlabError):
    """A toggle or a value that does not exist."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A task for an LLM application, written once for every world; calling it runs it in a lab."""

    name: str
    summary: str
    run: Callable[[Lab], Awaitable[object]]

    def __call__(self, lab: Lab) -> Awaitable[object]:
        return self.run(lab)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A scenario together with the toggles whose effect it is there to show; calling it runs it in `config.lab`."""

    name: str
    summary: str
    toggles: Mapping[str, bool | str]
    run: Callable[[BenchmarkConfig], Awaitable[object]]

    def __call__(self, lab: Lab) -> Awaitable[object]:
        return self.run(lab.config)


def scenario(name: str, *, summary: str) -> Callable[[Callable[[Lab], Awaitable[object]]], Scenario]:
    """Declare an `async def f(lab)` as the scenario `name`. Raises `ConfigError` for a function that is not async."""

    def declare(run: Callable[[Lab], Awaitable[object]]) -> Scenario:
        _refuse_plain(run, f"@scenario({name!r})")
        return Scenario(name, summary, run)

    return declare


def _refuse_plain(run: Callable[..., object], where: str) -> None:
    if inspect.isfunction(run) and not inspect.iscoroutinefunction(inspect.unwrap(run)):
        raise ConfigError(f"{where}: {run.__name__} is not async; declare it with async def")


def benchmark(**toggles: bool | str) -> Callable[[Callable[[BenchmarkConfig], Awaitable[object]]], Benchmark]:
    """Declare an `async def f(config)` as a benchmark of `toggles`: it is run with each off, each alone, and all on.

    `cache_control=True` means `conversation`. Raises `ConfigError` for a toggle or value that does not exist.
    """
    for condition in CONDITIONS:
        if condition.name in toggles:
            raise ConfigError(f"@benchmark({condition.name}=…): is a condition of a whole study, set it with --set")
    chosen = {name: _declared(name, value) for name, value in toggles.items()}

    def declare(run: Callable[[BenchmarkConfig], Awaitable[object]]) -> Benchmark:
        _refuse_plain(run, "@benchmark")
        summary = " ".join((run.__doc__ or f"what {', '.join(chosen)} do").split())
        return Benchmark(run.__name__, summary, chosen, run)

    return declare


def parse_setting(name: str, text: str) -> bool | str:
    """The value that `text` means for the toggle or condition `name`; raises `ConfigError` with what would do."""
    toggle = _toggle(name)
    word = text.strip().lower()
    if word not in toggle.values:
        word = _ALIASES.get(word, word)
    if word not in toggle.values:
        raise ConfigError(f"{name}={text}: no such value; {name} takes {', '.join(toggle.values)}")
    return _WORDS.get(word, word)


def configure(settings: Mapping[str, bool | str]) -> BenchmarkConfig:
    """The defaults with `settings` in place."""
    return BenchmarkConfig(**settings)  # type: ignore[arg-type]  # each is a value of its toggle


def _declared(name: str, value: bool | str) -> bool | str:
    if name == "cache_control" and isinstance(value, bool):
        return "conversation" if value else "off"
    return parse_setting(name, str(value))


def _toggle(name: str) -> Toggle:
    known = {toggle.name: toggle for toggle in (*TOGGLES, *CONDITIONS)}
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"{name}: no such toggle; {hint}")
    return known[name]


def as_settings(config: BenchmarkConfig) -> dict[str, Any]:
    """Every toggle and condition of `config` by name."""
    return {field.name: getattr(config, field.name) for field in fields(config)}
