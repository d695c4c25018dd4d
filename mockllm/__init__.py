"""mockllm: a deterministic mock of hosted LLM APIs, timed by profiles fitted to recorded traffic."""

from __future__ import annotations

__all__ = ["MockLLMError", "__version__"]

__version__ = "0.1.0"


class MockLLMError(Exception):
    """Base of every error that mockllm raises on purpose; its text is one line that a user can act on."""
