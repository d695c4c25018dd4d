"""The pytest plugin: the fixtures `mockllm` and `mockllm_virtual`, and the marker that sets them up.

pytest loads it wherever this distribution is installed, so it loads nothing of the mock before a fixture is asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mockllm.testing.mock import Mock
    from mockllm.testing.threaded import MockServer
    from mockllm.testing.virtual import VirtualMock

__all__: list[str] = []

_PROFILE = "claude-sonnet-5"
_VIRTUAL = "mockllm_virtual"
_MARKER = (
    "mockllm(profile=..., seed=1, speed=1.0, any_model=True, connection_setup=True): "
    "how the fixtures mockllm and mockllm_virtual answer this test (speed: mockllm alone)"
)
_OPTIONS = {"profile", "seed", "speed", "any_model", "connection_setup"}


def pytest_addoption(parser: pytest.Parser) -> None:
    text = f"Profile of the fixtures mockllm and mockllm_virtual: a shipped one's name, or a file. [{_PROFILE}]"
    parser.getgroup("mockllm").addoption("--mockllm-profile", metavar="NAME", default=None, help=text)
    parser.addini("mockllm_profile", text, default=_PROFILE)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


class _Servers:
    """The servers of a worker process, one for each way of serving that a test asked for, and the number of runs."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._started: dict[tuple[tuple[str, Any], ...], MockServer] = {}
        self._numbers = count(1)

    def __enter__(self) -> _Servers:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def serving(self, options: dict[str, Any]) -> MockServer:
        from mockllm.testing.threaded import MockServer

        key = tuple(sorted(options.items()))
        if key not in self._started:
            server = MockServer(**options)
            self._stack.enter_context(server)
            self._started[key] = server
        return self._started[key]

    def next_name(self) -> str:
        return f"test-{next(self._numbers)}"


@pytest.fixture(scope="session")
def _mockllm_servers() -> Iterator[_Servers]:
    with _Servers() as servers:
        yield servers


@pytest.fixture(name="mockllm")
def _mockllm(request: pytest.FixtureRequest, _mockllm_servers: _Servers) -> Iterator[Mock]:
    """A mock of its own for this test, in real time: `mockllm.base_url` is what a client is given."""
    from mockllm.server.runs import RunSpec

    options = _options(request)
    seed = options.pop("seed", 1)
    server = _mockllm_servers.serving(options)
    name = _mockllm_servers.next_name()
    yield server.open(RunSpec(name=name, seed=seed))
    server.close(name)


@pytest.fixture(name=_VIRTUAL)
def _mockllm_virtual(request: pytest.FixtureRequest) -> Iterator[VirtualMock]:
    """A mock of its own for this test, in virtual time: an async test runs in it, another calls `run`."""
    from mockllm.testing.virtual import VirtualMock

    options = _options(request)
    if "speed" in options:
        pytest.fail("the marker mockllm: virtual time has no speed; leave it out", pytrace=False)
    with VirtualMock(**options) as mock:
        yield mock


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Run an async test that asks for the virtual mock in its time, before a plugin with a real loop takes it."""
    held = pyfuncitem.obj
    test = held
    if type(pyfuncitem).__module__.startswith("pytest_asyncio"):  # which has put the test inside its own loop by now
        test = inspect.unwrap(held, stop=inspect.iscoroutinefunction)
    mock: Any = pyfuncitem.funcargs.get(_VIRTUAL)
    if mock is None or not inspect.iscoroutinefunction(test):
        return (yield)
    pyfuncitem.obj = _in_virtual_time(mock, test)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = held


def _in_virtual_time(mock: VirtualMock, test: Callable[..., Any]) -> Callable[..., None]:
    def run(**arguments: Any) -> None:
        __tracebackhide__ = True
        mock.run(test(**arguments))

    return run


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the test's markers say, the nearest first, over what pytest was started with."""
    config = request.config
    options: dict[str, Any] = {"profile": config.getoption("--mockllm-profile") or config.getini("mockllm_profile")}
    for marker in reversed(list(request.node.iter_markers("mockllm"))):
        unknown = [*marker.args, *sorted(set(marker.kwargs) - _OPTIONS)]
        if unknown:
            known = ", ".join(sorted(_OPTIONS))
            pytest.fail(f"the marker mockllm takes {known} by name; {unknown[0]!r} is none of them", pytrace=False)
        options |= marker.kwargs
    return options
