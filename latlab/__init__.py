"""latlab: the laboratory that runs scenarios under toggled latency optimisations and says what each does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latlab.config import BenchmarkConfig
    from latlab.conversation import Chat, Tool, ToolCall, ToolResult
    from latlab.declaration import benchmark, scenario
    from latlab.lab import Answer, Lab
    from mockllm.core.reply import Script, ToolRequest

__all__ = [
    "Answer",
    "BenchmarkConfig",
    "Chat",
    "Lab",
    "LatlabError",
    "Script",
    "Tool",
    "ToolCall",
    "ToolRequest",
    "ToolResult",
    "__version__",
    "benchmark",
    "scenario",
]

__version__ = "0.1.0"

_HOMES = {
    "Answer": "latlab.lab",
    "BenchmarkConfig": "latlab.config",
    "Chat": "latlab.conversation",
    "Lab": "latlab.lab",
    "Script": "mockllm.core.reply",
    "Tool": "latlab.conversation",
    "ToolCall": "latlab.conversation",
    "ToolRequest": "mockllm.core.reply",
    "ToolResult": "latlab.conversation",
    "benchmark": "latlab.declaration",
    "scenario": "latlab.declaration",
}


class LatlabError(Exception):
    """Base of every error that latlab raises on purpose; its text is one line that a user can act on."""


def __getattr__(name: str) -> object:
    # What scenarios import is loaded when it is asked for: the modules behind it import this one for LatlabError.
    if name not in _HOMES:
        raise AttributeError(f"module 'latlab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
