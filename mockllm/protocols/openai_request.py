"""From OpenAI's wire to a `Request`: headers and body, checked in the order credential, JSON, schema, model, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from mockllm.core.identity import Occurrences
from mockllm.core.profile import Profile
from mockllm.core.request import Automatic, Prefix, Request, TokenCounter, scope
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.protocols.call_header import call_path
from mockllm.protocols.openai_chat_body import ChatBody
from mockllm.protocols.openai_chat_prompt import answers_tools, check_tool_calls, output_schema, render_chat
from mockllm.protocols.openai_prompt import Prompt
from mockllm.protocols.openai_responses_body import ResponsesBody
from mockllm.protocols.openai_responses_prompt import (
    brings_results,
    check_items,
    check_state,
    render_responses,
    response_schema,
)
from mockllm.protocols.openai_schema import CacheOptions, read_as
from mockllm.protocols.openai_tools import Choice, choose, neutral

__all__ = ["OpenAiReader"]

_LIVES_US = {"30m": 1_800_000_000, "12h": 43_200_000_000, "24h": 86_400_000_000}


class _Wanted(NamedTuple):
    """What a body asks for, whichever endpoint it was sent to."""

    model: str
    stream: bool
    most: tuple[str, int] | None  # the field that limits the output, and its value
    choice: Choice
    told: object
    brings_results: bool
    one_call: bool
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    least_tokens: int = 0
    thinks: bool = False
    prewarms: bool = False
    cache_key: str = ""
    options: CacheOptions | None = None
    retention: str | None = None


@dataclass(slots=True)
class OpenAiReader:
    """Reads the requests of one run; `occurrences` counts those without a call path.

    With `any_model` the profile answers whatever model is named.
    """

    profile: Profile
    counter: TokenCounter
    occurrences: Occurrences
    any_model: bool = False

    def chat(self, headers: Mapping[str, str], raw: bytes) -> tuple[Request, ChatBody]:
        """What is asked of chat completions, or the first reason to refuse it, raised as `ApiError`."""
        workspace = self.workspace(headers)
        path = call_path(headers)
        body, plain = read_as(ChatBody, raw)
        _check_chat(body)
        check_tool_calls(body.messages)
        functions = [tool.function for tool in body.tools or () if tool.function is not None]
        choice = choose([neutral(each.name, each.description, each.parameters) for each in functions], body.tool_choice)
        self._check_model(body.model)
        prompt = Prompt(Prefix(scope(body.model, workspace)), self.counter)
        render_chat(body, plain, prompt)
        most = _least(("max_completion_tokens", body.max_completion_tokens), ("max_tokens", body.max_tokens))
        least = most[1] if body.ignore_eos and most is not None else body.min_tokens or 0
        stop = [body.stop] if isinstance(body.stop, str) else body.stop or []
        wanted = _Wanted(
            model=body.model,
            stream=bool(body.stream),
            most=most,
            choice=choice,
            told=plain.get("tool_choice"),
            brings_results=answers_tools(body.messages),
            one_call=body.parallel_tool_calls is False,
            stop=tuple([sequence for sequence in stop if sequence]),
            schema=output_schema(body),
            least_tokens=least,
            thinks=_thinks(body.reasoning_effort),
            cache_key=body.prompt_cache_key or "",
            options=body.prompt_cache_options,
            retention=body.prompt_cache_retention,
        )
        return self._request(wanted, prompt, path, workspace), body

    def responses(self, headers: Mapping[str, str], raw: bytes) -> tuple[Request, dict[str, Any]]:
        """What is asked of responses, or the first reason to refuse it, raised as `ApiError`; and the plain body."""
        workspace = self.workspace(headers)
        path = call_path(headers)
        body, plain = read_as(ResponsesBody, raw)
        check_state(body)
        check_items(body.input)
        functions = [tool for tool in body.tools or () if tool.type == "function"]
        tools = [neutral(str(tool.name), tool.description, tool.parameters) for tool in functions]
        choice = choose(tools, body.tool_choice)
        self._check_model(body.model)
        prompt = Prompt(Prefix(scope(body.model, workspace)), self.counter)
        render_responses(body, plain, prompt)
        options = body.prompt_cache_options
        wanted = _Wanted(
            model=body.model,
            stream=bool(body.stream),
            most=_least(("max_output_tokens", body.max_output_tokens)),
            choice=choice,
            told=plain.get("tool_choice"),
            brings_results=brings_results(body.input),
            one_call=body.parallel_tool_calls is False,
            schema=response_schema(body),
            thinks=_thinks(body.reasoning.effort if body.reasoning is not None else None),
            prewarms=options is not None and bool(options.prewarm),
            cache_key=body.prompt_cache_key or "",
            options=body.prompt_cache_options,
            retention=body.prompt_cache_retention,
        )
        return self._request(wanted, prompt, path, workspace), plain

    def workspace(self, headers: Mapping[str, str]) -> str:
        """Whose request it is: its project or organisation, else its credential. Raises `ApiError` 401 without one."""
        return _workspace(headers)

    def _check_model(self, model: str) -> None:
        if model != self.profile.model and not self.any_model:
            raise ApiError(
                404,
                f"The model `{model}` does not exist or you do not have access to it.",
                param="model",
                code="model_not_found",
            )

    def _request(self, wanted: _Wanted, prompt: Prompt, path: str | None, workspace: str) -> Request:
        max_tokens = self._limit(wanted, prompt.prefix)
        # Counted last, so that a refused request takes no place among those that are answered.
        if path is not None:
            identity = self.occurrences.name(path)
        else:
            identity = self.occurrences.identify(prompt.content(wanted.model, wanted.told))
        return Request(
            identity=identity,
            model=wanted.model,
            prefix=prompt.prefix,
            size=len(prompt.prefix),
            breakpoints=(),
            max_tokens=0 if wanted.prewarms else max_tokens,
            stream=wanted.stream,
            tools=wanted.choice.tools,
            answers_tools=wanted.brings_results and not wanted.choice.must_call,
            must_call=wanted.choice.must_call,
            one_call=wanted.one_call,
            stop_sequences=wanted.stop,
            output_schema=wanted.schema,
            least_tokens=min(wanted.least_tokens, max_tokens),
            thinking="omitted" if wanted.thinks else "",
            workspace=workspace,
            cache_key=wanted.cache_key,
            automatic=_automatic(wanted, prompt),
        )

    def _limit(self, wanted: _Wanted, prefix: Prefix) -> int:
        total, window, most = prefix.totals[-1], self.profile.max_input_tokens, self.profile.max_output_tokens
        if wanted.most is not None and wanted.most[1] > most:
            name, asked = wanted.most
            raise ApiError(
                400,
                f"{name} is too large: {asked}. This model supports at most {most} completion tokens, whereas you "
                f"provided {asked}.",
                param=name,
                code="invalid_value",
            )
        if total > window:
            raise ApiError(
                400,
                f"This model's maximum context length is {window} tokens. However, your messages resulted in {total} "
                "tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        return most if wanted.most is None else wanted.most[1]


def _workspace(headers: Mapping[str, str]) -> str:
    """What names the caller's cache: the project or organisation that it says it is, else a hash of its key."""
    bearer = headers.get("authorization", "").strip()
    token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""
    if not token:
        raise ApiError(401, "You didn't provide an API key: send any in an Authorization header, `Bearer …`.")
    named = headers.get("openai-project") or headers.get("openai-organization") or token
    return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _check_chat(body: ChatBody) -> None:
    """What the schema alone does not say."""
    if body.n not in (None, 1):
        raise ApiError(
            400, f"n: {body.n} choices were asked for; this mock gives one.", param="n", code="invalid_value"
        )
    if body.stream_options is not None and not body.stream:
        raise ApiError(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_value",
        )


def _thinks(effort: str | None) -> bool:
    """Whether the model thinks first. Assumed: only where it is asked to, since the recordings tell no thinking."""
    return effort not in (None, "none", "minimal")


def _automatic(wanted: _Wanted, prompt: Prompt) -> Automatic:
    options = wanted.options
    return Automatic(
        ends=tuple(prompt.ends),
        marks=tuple(prompt.marks),
        implicit=options is None or options.mode != "explicit",
        retention_us=_LIVES_US.get(wanted.retention or ""),
        ttl_us=_LIVES_US.get((options.ttl if options is not None else None) or ""),
    )


def _least(*limits: tuple[str, int | None]) -> tuple[str, int] | None:
    given = [(name, limit) for name, limit in limits if limit is not None]
    return min(given, key=lambda one: one[1]) if given else None
