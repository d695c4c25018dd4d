"""The mock inside a test: a server in a thread, or in virtual time; what was asked of it, and what that may cost.

    from mockllm.testing import MockServer, VirtualMock

Nothing is loaded before it is asked for, since pytest loads the plugin of this package wherever it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockllm.testing.mock import Mock
    from mockllm.testing.recorded import RecordedRequest
    from mockllm.testing.threaded import MockServer
    from mockllm.testing.virtual import VirtualMock

__all__ = ["Mock", "MockServer", "RecordedRequest", "VirtualMock"]

_PLACES = {"Mock": "mock", "MockServer": "threaded", "RecordedRequest": "recorded", "VirtualMock": "virtual"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
