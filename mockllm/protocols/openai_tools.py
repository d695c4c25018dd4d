"""The tools of OpenAI's endpoints in neutral form, and which of them a turn may call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mockllm.protocols.anthropic_errors import ApiError

__all__ = ["Choice", "choose", "neutral"]


class Choice(NamedTuple):
    """The definitions that a turn may call, and whether it must call one."""

    tools: tuple[dict[str, Any], ...]
    must_call: bool


def neutral(name: str, description: str | None, parameters: dict[str, Any] | None) -> dict[str, Any]:
    """A function's definition as every speaker here knows it; without parameters it takes none."""
    schema = {"type": "object", "properties": {}} if parameters is None else parameters
    return {"name": name, "description": description or "", "input_schema": schema}


def choose(tools: Sequence[dict[str, Any]], choice: str | Mapping[str, Any] | None) -> Choice:
    """What `choice` leaves of `tools`: a mode, one function by name, or a list of those that are allowed.

    Chat nests names and lists one table deeper than responses do; both are read. Raises `ApiError` 400.
    """
    if choice in ("none", None, "auto"):
        return Choice((), False) if choice == "none" else Choice(tuple(tools), False)
    if not tools:
        raise ApiError(
            400, "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice", code="invalid_value"
        )
    if not isinstance(choice, Mapping):
        return Choice(tuple(tools), True)
    if choice.get("type") == "allowed_tools":
        inner = choice.get("allowed_tools", choice)
        listed = inner.get("tools") if isinstance(inner, Mapping) else None
        if not isinstance(listed, list):
            raise ApiError(400, "Missing required parameter: 'tool_choice.tools'.", param="tool_choice")
        names = [_name(tool) for tool in listed]
        return Choice(tuple([tool for tool in tools if tool["name"] in names]), inner.get("mode") == "required")
    if choice.get("type") != "function":
        return Choice((), False)  # a tool of the provider's own, which is not called here
    name = _name(choice)
    wanted = tuple([tool for tool in tools if tool["name"] == name])
    if not wanted:
        raise ApiError(
            400, f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice", code="invalid_value"
        )
    return Choice(wanted, True)


def _name(tool: object) -> object:
    if not isinstance(tool, Mapping):
        return None
    nested = tool.get("function")
    return nested.get("name") if isinstance(nested, Mapping) else tool.get("name")
