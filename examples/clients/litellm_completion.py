"""LiteLLM, from an environment of its own, since it pins much: a completion, plain and streamed.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/litellm_completion.py
"""

from __future__ import annotations

import os

import litellm


def main() -> None:
    asked = {
        "model": "anthropic/claude-sonnet-5",
        "api_base": os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787"),
        "api_key": "any key will do",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Is it warm in Oslo?"}],
    }
    plain = litellm.completion(**asked)
    print("plain:", plain.choices[0].finish_reason, plain.usage.completion_tokens, "tokens")
    pieces = sum(bool(chunk.choices[0].delta.content) for chunk in litellm.completion(**asked, stream=True))
    print("streamed:", pieces, "pieces")


if __name__ == "__main__":
    main()
