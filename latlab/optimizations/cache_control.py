"""Prompt caching: where the breakpoints go, or that the provider is asked to place one (protocol: prompt caching)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from latlab.client import Call, Exchange
from latlab.optimizations.toggle import Send, Toggle

__all__ = ["PLACEMENTS", "TOGGLE", "Placement", "mark", "wrap"]

TOGGLE = Toggle(
    "cache_control",
    ("off", "system", "conversation", "auto"),
    "off",
    "prompt caching: breakpoint after the system prompt, that and one that moves with the conversation, or automatic",
)
_EPHEMERAL = {"type": "ephemeral"}
_MARKABLE = ("text", "image", "document", "tool_use", "tool_result")


class Placement(NamedTuple):
    """Explicit breakpoints by place (`system`, `last`), and whether the request asks for automatic caching."""

    breakpoints: tuple[str, ...]
    automatic: bool


PLACEMENTS = {
    "off": Placement((), automatic=False),
    "system": Placement(("system",), automatic=False),
    "conversation": Placement(("system", "last"), automatic=False),
    "auto": Placement((), automatic=True),
}


def wrap(send: Send, mode: str) -> Send:
    """`send`, with breakpoints where `mode` places them."""
    breakpoints, automatic = PLACEMENTS[mode]

    async def marked(call: Call) -> Exchange:
        return await send(call._replace(breakpoints=breakpoints, automatic_cache=automatic))

    return marked


def mark(body: Mapping[str, Any], placement: Placement) -> dict[str, Any]:
    """A Messages request `body` with the breakpoints of `placement` and no others.

    `system` marks the end of the system prompt, or of the tools where there is none; `last` the last block that may
    carry a marker. The given body is left as it was.
    """
    marked = _stripped(body)
    if placement.automatic:
        marked["cache_control"] = _EPHEMERAL
    if "system" in placement.breakpoints:
        fixed = marked.get("system") or marked.get("tools")
        last = next((block for block in reversed(fixed or ()) if block.get("text") != ""), None)
        if last is not None:
            last["cache_control"] = _EPHEMERAL
    if "last" in placement.breakpoints:
        blocks = [block for message in marked["messages"] for block in message["content"]]
        last = next((block for block in reversed(blocks) if _markable(block)), None)
        if last is not None:
            last["cache_control"] = _EPHEMERAL
    return marked


def _stripped(body: Mapping[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in body.items() if key != "cache_control"}
    for key in ("tools", "system"):
        if bare.get(key):
            bare[key] = _bare_blocks(bare[key])
    bare["messages"] = [{**message, "content": _bare_blocks(message["content"])} for message in bare["messages"]]
    return bare


def _bare_blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [_bare(block) for block in blocks]


def _bare(block: Mapping[str, Any]) -> dict[str, Any]:
    bare = {key: value for key, value in block.items() if key != "cache_control"}
    if bare.get("type") == "tool_result" and isinstance(bare.get("content"), list):
        bare["content"] = _bare_blocks(bare["content"])  # a marker may stand on a part of a result, too
    return bare


def _markable(block: Mapping[str, Any]) -> bool:
    return block["type"] in _MARKABLE and (block["type"] != "text" or bool(block["text"]))
