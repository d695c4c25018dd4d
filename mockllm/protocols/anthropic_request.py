"""From the Anthropic wire to a `Request`: headers and body of `POST /v1/messages`, checked in the API's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from mockllm.core.identity import Occurrences
from mockllm.core.profile import Profile, Rules
from mockllm.core.request import Prefix, Request, TokenCounter
from mockllm.protocols.anthropic_body import Body, blocks_of, is_client_s, read_body
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.anthropic_places import check_places
from mockllm.protocols.anthropic_prompt import Prompt, render
from mockllm.protocols.anthropic_turns import answers_tools, check_tool_calls
from mockllm.protocols.call_header import call_path

__all__ = ["RequestReader"]

_VERSIONS = ("2023-06-01", "2026-10-21")
_NO_SAMPLING = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")


@dataclass(slots=True)
class RequestReader:
    """Reads the requests of one run; `occurrences` counts those that go by one name.

    With `any_model` the profile answers whatever model is named.
    """

    profile: Profile
    counter: TokenCounter
    occurrences: Occurrences
    any_model: bool = False

    def read(self, headers: Mapping[str, str], raw: bytes) -> Request:
        """The request that is asked, or the first reason to refuse it, raised as `ApiError`.

        The order: credentials, version, JSON, schema, model, limits (protocol page: section 9).
        """
        path, body, prompt = self._prompt(headers, raw, counting=False)
        max_tokens = body.get("max_tokens") or 0
        results = answers_tools(body["messages"])
        must_call = _must_call(body)
        choice, thinking, diagnostics = body.get("tool_choice"), body.get("thinking"), body.get("diagnostics")
        marks = prompt.breakpoints(body, round(self.profile.cache.breakpoints.value))
        self._check_limits(body, max_tokens, prompt.prefix)
        # Counted last, so that a refused request takes no place among those that are answered.
        identity = self.occurrences.name(path) if path is not None else self.occurrences.identify(prompt.content())
        return Request(
            identity=identity,
            model=body["model"],
            prefix=prompt.prefix,
            size=len(prompt.prefix),
            breakpoints=marks,
            max_tokens=max_tokens,
            stream=bool(body.get("stream")),
            tools=_callable_tools(body, prompt.tools),
            answers_tools=results and not must_call,
            must_call=must_call,
            one_call=choice is not None and bool(choice.get("disable_parallel_tool_use")),
            stop_sequences=tuple(body.get("stop_sequences") or ()),
            output_schema=_schema(body),
            thinking=_thinking(body, results),
            thinking_most=thinking.get("budget_tokens") if thinking is not None else None,
            workspace=prompt.workspace,
            speed=body.get("speed") or "standard",
            previous_id=(diagnostics.get("previous_message_id") or "") if diagnostics is not None else None,
        )

    def count(self, headers: Mapping[str, str], raw: bytes) -> int:
        """Tokens of the prompt in a `count_tokens` body; nothing is cached. Raises `ApiError` as `read` does."""
        _, _, prompt = self._prompt(headers, raw, counting=True)
        return prompt.prefix.totals[-1]

    def workspace(self, headers: Mapping[str, str]) -> str:
        """Whose request it is, by its credential. Raises `ApiError` 401 where it has none."""
        return blake2b(_credential(headers).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def _prompt(self, headers: Mapping[str, str], raw: bytes, *, counting: bool) -> tuple[str | None, Body, Prompt]:
        workspace = self.workspace(headers)
        version = _version(headers)
        path = call_path(headers)
        body = read_body(raw)
        _check_fields(body, version, counting=counting)
        if any(map(blocks_of, body["messages"])):
            check_places(body["messages"])
            check_tool_calls(body["messages"])
        if body["model"] != self.profile.model and not self.any_model:
            raise ApiError(404, f"model: {body['model']}")
        if self.profile.rules is not None:
            _check_rules(body, self.profile.rules)
        return path, body, render(body, workspace, self.counter)

    def _check_limits(self, body: Body, max_tokens: int, prefix: Prefix) -> None:
        most = self.profile.max_output_tokens
        if max_tokens > most:
            raise ApiError(
                400,
                f"max_tokens: {max_tokens} > {most}, which is the maximum allowed number of output tokens for "
                f"{body['model']}",
            )
        if max_tokens == 0:
            _check_prewarming(body)
        total, window = prefix.totals[-1], self.profile.max_input_tokens
        if total > window:
            raise ApiError(400, f"prompt is too long: {total} tokens > {window} maximum")


def _callable_tools(body: Body, definitions: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The client's tools that this turn may call."""
    choice = body.get("tool_choice")
    if not definitions or (choice is not None and choice["type"] == "none"):
        return ()
    wanted = choice.get("name") if choice is not None and choice["type"] == "tool" else None
    return tuple(
        [
            definition
            for tool, definition in zip(body.get("tools") or (), definitions, strict=True)
            if is_client_s(tool) and wanted in (None, tool.get("name"))
        ]
    )


def _schema(body: Body) -> dict[str, Any] | None:
    output = body.get("output_config")
    wanted = output.get("format") if output is not None else None
    return wanted["schema"] if wanted is not None else None


def _thinking(body: Body, answers_tools: bool) -> str:
    """How thinking is shown, or "" where this turn has none: between tools only once there are results."""
    thinking = body.get("thinking")
    if thinking is None or thinking["type"] == "disabled":
        return ""
    if thinking["type"] == "between_tools" and not answers_tools:
        return ""
    return thinking.get("display") or "summarized"


def _must_call(body: Body) -> bool:
    choice = body.get("tool_choice")
    return choice is not None and choice["type"] in ("any", "tool")


def _credential(headers: Mapping[str, str]) -> str:
    """What names the caller's workspace: its own header, else the API key or bearer token.

    Whichever of the two headers holds a credential will do; only the lack of both is refused.
    """
    credential = headers.get("x-api-key", "").strip()
    if not credential:
        bearer = headers.get("authorization", "").strip()
        credential = bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""
    if not credential:
        raise ApiError(
            401, "authentication failed: send a key in `Authorization: Bearer …` or in `x-api-key`; any will do"
        )
    return headers.get("anthropic-workspace-id") or credential


def _version(headers: Mapping[str, str]) -> str:
    version = headers.get("anthropic-version", "")
    if not version:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in _VERSIONS:
        raise ApiError(400, f"anthropic-version: {version!r} is not a valid version; use {' or '.join(_VERSIONS)}")
    return version


def _check_fields(body: Body, version: str, *, counting: bool) -> None:
    """What the schema alone does not say: fields of one endpoint, and those that an API version no longer takes."""
    max_tokens, thinking, stops = body.get("max_tokens"), body.get("thinking"), body.get("stop_sequences")
    if not body["messages"]:
        raise ApiError(400, "messages: at least one message is required")
    if counting:
        for name in ("max_tokens", "stream"):
            if body.get(name) is not None:
                raise ApiError(400, f"{name}: Extra inputs are not permitted")
    elif max_tokens is None:
        raise ApiError(400, "max_tokens: Field required")
    elif thinking is not None and 0 < max_tokens <= (thinking.get("budget_tokens") or 0):
        raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`")
    if stops and not all(map(str.strip, stops)):
        raise ApiError(400, "stop_sequences: each stop sequence must contain non-whitespace")
    if body.get("tools") or body.get("tool_choice"):
        _check_tools(body)
    if version == _NO_SAMPLING:
        _check_newer_version(body, version)


def _check_tools(body: Body) -> None:
    names = [tool["name"] for tool in body.get("tools") or () if tool.get("name") is not None]
    if len(names) != len(set(names)):
        raise ApiError(400, "tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is not None and choice["type"] == "tool":
        name = choice.get("name")
        if name is None:
            raise ApiError(400, "tool_choice.tool.name: Field required")
        if name not in names:
            raise ApiError(400, f"tool_choice: tool {name!r} is not among the tools that the request offers")


def _check_newer_version(body: Body, version: str) -> None:
    """What API version 2026-10-21 no longer takes (protocol page: section 0)."""
    for name in _SAMPLING:
        if body.get(name) is not None:
            raise ApiError(400, f"{name}: Extra inputs are not permitted in anthropic-version {version}")
    for number, message in enumerate(body["messages"]):
        for place, block in enumerate(blocks_of(message)):
            path = f"messages.{number}.content.{place}"
            if message["role"] == "assistant" and block["type"] == "document":
                raise ApiError(400, f"{path}: `document` blocks cannot be in `assistant` messages")
            if message["role"] == "user" and block["type"] == "text" and block.get("citations"):
                raise ApiError(400, f"{path}.citations: text in a `user` message cannot have citations")


def _check_rules(body: Body, rules: Rules) -> None:
    """What this model, as the profile has it, does not take."""
    thinking = body.get("thinking")
    turns = [message["role"] for message in body["messages"] if message["role"] != "system"]
    if not rules.prefill and turns and turns[-1] == "assistant":
        raise ApiError(
            400,
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    if not rules.thinking_enabled and thinking is not None and thinking["type"] == "enabled":
        raise ApiError(
            400,
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.',
        )
    if not rules.forced_tool_choice and _must_call(body):
        raise ApiError(400, "tool_choice: this model does not support `any` or `tool`; use `auto`")


def _check_prewarming(body: Body) -> None:
    """What cannot go with `max_tokens: 0`, which only fills the cache (protocol: prompt caching, pre-warm)."""
    thinking = body.get("thinking")
    refused = {
        "stream": bool(body.get("stream")),
        "thinking": thinking is not None and thinking["type"] != "disabled",
        "output_config.format": _schema(body) is not None,
        "tool_choice": _must_call(body),
    }
    for name, present in refused.items():
        if present:
            raise ApiError(400, f"{name}: not possible with max_tokens 0, which fills the cache and says nothing")
