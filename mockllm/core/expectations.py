"""Turns that a test registers ahead: what the mock answers to which request, written as JSON by hand.

    {"reply": "Hello"}                                                 the next request that nothing else claims
    {"call": "main/turn-1", "reply": {"text": "Hello"}}                a request by its call path
    {"match": {"tool": "get_weather", "has_tool_results": false},      any request like this, twice
     "times": 2, "reply": {"tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]}}
    {"error": {"status": 529, "retry_after": 2}}                       an error in the place of an answer
    {"fault": "stall", "reply": "Hello"}                               an answer that a fault befalls, or
    {"fault": {"kind": "stall", "wait_s": 5}}                          a fault with figures of its own

A request takes what was left for its call path; else the first matcher that it fits, in the order of registration;
else the next of those that ask for nothing. What was said as often as it was asked for is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import SchemaError

from mockllm import MockLLMError
from mockllm.core.faults import FaultRule
from mockllm.core.identity import BadCallPathError, check_path
from mockllm.core.reply import BadArgumentsError, Script, ToolRequest
from mockllm.core.request import Block, Request, TokenCounter, write_out

__all__ = ["ErrorReply", "Expectation", "ExpectationError", "Expectations", "Facts", "Match", "ScriptedReply"]


class ExpectationError(MockLLMError):
    """A registration that cannot be read; the message names the field."""


class Facts(NamedTuple):
    """What a matcher can ask of a request.

    `last_user` is what the user said last, the results of tools apart; `tools` are the names that the answer may call.
    """

    model: str
    stream: bool
    system: str
    last_user: str
    tools: tuple[str, ...]
    has_tool_results: bool

    @classmethod
    def of(cls, request: Request, counter: TokenCounter) -> Facts:
        """The facts of `request`, read from the blocks that every protocol makes."""
        blocks = request.prefix.blocks[: request.size]
        spoken = max((place for place, block in enumerate(blocks) if _is_assistant(block)), default=-1)
        last_turn = blocks[spoken + 1 :]
        return cls(
            request.model,
            request.stream,
            "\n".join([write_out(block.content, counter) for block in blocks if _is_system(block)]),
            _last_said(blocks, counter),
            tuple([str(tool.get("name")) for tool in request.tools]),
            request.answers_tools or any(block.kind in ("result", "failure") for block in last_turn),
        )


def _is_assistant(block: Block) -> bool:
    return block.kind == "tool_use" or (block.kind in ("text", "opaque") and block.owner == "assistant")


def _is_system(block: Block) -> bool:
    return block.kind == "text" and block.owner == "system"


def _last_said(blocks: list[Block], counter: TokenCounter) -> str:
    """The text of the latest turn in which the user said any."""
    said: list[str] = []
    for block in reversed(blocks):
        if block.kind == "text" and block.owner == "user":
            said.append(write_out(block.content, counter))
        elif said and _is_assistant(block):
            break
    return "\n".join(reversed(said))


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@lru_cache(maxsize=1024)
def _searching(pattern: str) -> TypeAdapter[str]:
    """Finds `pattern` anywhere in a text, in time that grows with the text alone: whatever a test registers, and
    whatever it is asked, the server answers the others meanwhile. The standard library's engine gives no such word."""
    return TypeAdapter(Annotated[str, Field(pattern=pattern)])


def _a_pattern(text: str) -> str:
    try:
        _searching(text)
    except SchemaError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(f"not a regular expression that can be searched in linear time: {reason}") from None
    return text


def _is_found(pattern: str, text: str) -> bool:
    try:
        _searching(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


class Match(_Table):
    """Conditions that must all hold. `last_user` and `system` are contained; `regex` is searched in `last_user`."""

    model: str | None = None
    last_user: str | None = None
    system: str | None = None
    tool: str | None = None
    has_tool_results: bool | None = None
    regex: Annotated[str, AfterValidator(_a_pattern)] | None = None
    stream: bool | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Match:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("no condition is given; leave `match` out to take the next request in order")
        return self

    def fits(self, facts: Facts) -> bool:
        """Whether a request with `facts` meets every condition."""
        return (
            self.model in (None, facts.model)
            and self.stream in (None, facts.stream)
            and self.has_tool_results in (None, facts.has_tool_results)
            and (self.tool is None or self.tool in facts.tools)
            and (self.last_user is None or self.last_user in facts.last_user)
            and (self.system is None or self.system in facts.system)
            and (self.regex is None or _is_found(self.regex, facts.last_user))
        )


class ToolCall(_Table):
    """A tool call that the answer makes."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_sent(self) -> ToolCall:
        try:
            ToolRequest.of(self.name, self.arguments)
        except BadArgumentsError as error:
            raise ValueError(str(error)) from None
        return self


class ScriptedReply(_Table):
    """One turn. Its length is that of `text` and `tool_calls`, or `output_tokens` in all, the rest of which is filler.

    `thinking_tokens` come first where the request lets the model think. `stop_reason` is only given where it is not the
    one that follows from the turn; the names are those of the Anthropic API, whatever protocol the request came by.
    """

    text: str | None = None
    tool_calls: list[ToolCall] = Field(default_factory=list)
    output_tokens: int | None = Field(default=None, ge=1)
    thinking_tokens: int = Field(default=0, ge=0)
    stop_reason: Literal["refusal", "max_tokens", "pause_turn", "model_context_window_exceeded"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ScriptedReply:
        if self.text is None and not self.tool_calls and self.output_tokens is None:
            raise ValueError("give text, tool_calls or output_tokens, so that there is something to say")
        if self.text is not None and self.output_tokens is not None:
            raise ValueError("give text or output_tokens, not both: the text has its own length")
        return self

    def script(self) -> Script:
        """The turn as the emulator speaks it."""
        calls = [ToolRequest.of(call.name, call.arguments) for call in self.tool_calls]
        return Script(self.output_tokens or 0, calls, self.text, self.thinking_tokens)


class ErrorReply(_Table):
    """An HTTP error in the place of an answer; `retry_after` is in seconds. Without a message it has the usual one."""

    status: int = Field(ge=400, le=599)
    message: str | None = None
    retry_after: float | None = Field(default=None, ge=0)


def _as_turn(reply: Any) -> Any:
    return {"text": reply} if isinstance(reply, str) else reply


def _as_rule(fault: Any) -> Any:
    return {"kind": fault} if isinstance(fault, str) else fault


def _of_this_request(fault: FaultRule) -> FaultRule:
    if fault.model_fields_set & {"rate", "call", "attempts"}:
        raise ValueError("leave out rate, call and attempts: the registration itself says whom it is for")
    return fault


def _a_count(times: Any) -> Any:
    if times != "always" and (not isinstance(times, int) or isinstance(times, bool) or times < 1):
        raise ValueError('give a whole number from 1 on, or "always"')
    return times


def _a_call_path(path: str) -> str:
    try:
        return check_path(path)
    except BadCallPathError as error:
        raise ValueError(str(error)) from None


class Expectation(_Table):
    """One registration: whom it is for, how often, and what is answered."""

    call: Annotated[str, AfterValidator(_a_call_path)] | None = None
    match: Match | None = None
    times: Annotated[int | str, BeforeValidator(_a_count)] = 1
    reply: Annotated[ScriptedReply, BeforeValidator(_as_turn)] | None = None
    error: ErrorReply | None = None
    fault: Annotated[FaultRule, BeforeValidator(_as_rule), AfterValidator(_of_this_request)] | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Expectation:
        if self.call is not None and self.match is not None:
            raise ValueError("give call or match, not both: a call path names one request already")
        if self.reply is None and self.error is None and self.fault is None:
            raise ValueError("give a reply, an error or a fault, so that there is an answer")
        if self.error is not None and (self.reply is not None or self.fault is not None):
            raise ValueError("give an error alone: nothing else is answered then")
        return self

    def script(self) -> Script | None:
        """What is said; None where a fault befalls an answer that the default speaker gives."""
        return self.reply.script() if self.reply is not None else None

    @property
    def stop_reason(self) -> str | None:
        """The stop reason that is asked for, if it is not the natural one."""
        return self.reply.stop_reason if self.reply is not None else None


@dataclass(slots=True, eq=False)
class _Held:
    number: int
    expectation: Expectation
    asked: int = 0

    @property
    def is_spent(self) -> bool:
        times = self.expectation.times
        return isinstance(times, int) and self.asked >= times

    def shown(self) -> dict[str, Any]:
        plain = self.expectation.model_dump(exclude_defaults=True)
        return {"number": self.number, "asked": self.asked, **plain}


class Expectations:
    """The turns of one run that were registered and not yet said. True while there are any."""

    __slots__ = ("_by_call", "_in_order", "_matchers", "_registered")

    def __init__(self) -> None:
        self._by_call: dict[str, list[_Held]] = {}
        self._matchers: list[_Held] = []
        self._in_order: list[_Held] = []
        self._registered = 0

    def __bool__(self) -> bool:
        return bool(self._by_call or self._matchers or self._in_order)

    def register(self, plain: object) -> list[dict[str, Any]]:
        """Take one registration or a list of them, all or none, and answer them as they were understood.

        Raises `ExpectationError` with one line for the first field that does not fit.
        """
        if isinstance(plain, list):
            read = [_read(one, f"{place}") for place, one in enumerate(plain)]
        else:
            read = [_read(plain, "")]
        added = [_Held(self._registered + place, one) for place, one in enumerate(read)]
        self._registered += len(added)
        for held in added:
            self._place(held.expectation).append(held)
        return [held.shown() for held in added]

    def take(self, path: str, facts: Callable[[], Facts]) -> Expectation | None:
        """What the request named `path` is answered, which then counts as asked; None where nothing was left for it.

        Called in the order of admission it gives the same answers in any order of arrival. `facts` are asked for only
        where there is a matcher.
        """
        held = self._next(path, facts)
        if held is None:
            return None
        held.asked += 1
        if held.is_spent:
            self._place(held.expectation).remove(held)
            if not self._by_call.get(path, True):
                del self._by_call[path]
        return held.expectation

    def remaining(self) -> list[dict[str, Any]]:
        """What is still to be asked, in the order of registration; of what holds always, what was never asked."""
        return [held.shown() for held in self._held() if held.asked == 0 or held.expectation.times != "always"]

    def clear(self) -> int:
        """Forget everything; answers how many registrations were left."""
        left = len(self._held())
        self._by_call.clear()
        self._matchers.clear()
        self._in_order.clear()
        return left

    def _next(self, path: str, facts: Callable[[], Facts]) -> _Held | None:
        named = self._by_call.get(path)
        if named:
            return named[0]
        if self._matchers:
            known = facts()
            for held in self._matchers:
                assert held.expectation.match is not None
                if held.expectation.match.fits(known):
                    return held
        return self._in_order[0] if self._in_order else None

    def _place(self, expectation: Expectation) -> list[_Held]:
        if expectation.call is not None:
            return self._by_call.setdefault(expectation.call, [])
        return self._in_order if expectation.match is None else self._matchers

    def _held(self) -> list[_Held]:
        named = [held for waiting in self._by_call.values() for held in waiting]
        return sorted([*named, *self._matchers, *self._in_order], key=_number)


def _number(held: _Held) -> int:
    return held.number


def _read(plain: object, where: str) -> Expectation:
    try:
        return Expectation.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join([part for part in (where, *map(str, first["loc"])) if part])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "there is no such field"
        elif first["type"] == "model_type":
            message = "give a JSON object"
        raise ExpectationError(f"{path}: {message}" if path else message) from None
