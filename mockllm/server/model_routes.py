"""The list of models, which two APIs have at the same paths: whoever names an `anthropic-version` gets theirs."""

from __future__ import annotations

from aiohttp import web

from mockllm.protocols import anthropic_models, openai_models
from mockllm.protocols.anthropic_errors import ApiError
from mockllm.server.openai_routes import speaks_openai
from mockllm.server.routes import Route, json_response
from mockllm.server.runs import Run

__all__ = ["model_routes"]


def model_routes() -> list[Route]:
    """The list, and the one model that is in it."""
    return [Route("GET", "/v1/models", _list), Route("GET", "/v1/models/{id}", _one)]


async def _list(http: web.Request, run: Run) -> web.StreamResponse:
    profile = run.emulator.profile
    if _speaks_openai(http, run):
        return json_response(openai_models.model_list(openai_models.model_info(profile)))
    return json_response(anthropic_models.model_list(anthropic_models.model_info(profile), http.query))


async def _one(http: web.Request, run: Run) -> web.StreamResponse:
    profile, asked = run.emulator.profile, http.match_info["id"]
    openai = _speaks_openai(http, run)
    if asked != profile.model:
        if openai:
            raise ApiError(404, f"The model '{asked}' does not exist", param="model", code="model_not_found")
        raise ApiError(404, f"model: {asked}")
    return json_response((openai_models if openai else anthropic_models).model_info(profile))


def _speaks_openai(http: web.Request, run: Run) -> bool:
    """Which API is meant, once whoever asks has shown a credential, in whichever header."""
    openai = speaks_openai("/v1/models", http.headers)
    if not http.headers.get("x-api-key"):
        (run.openai if openai else run.messages).workspace(http.headers)
    return openai
