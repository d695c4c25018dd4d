"""The Anthropic SDK, synchronous: a plain answer, a streamed one, and a prompt that is read from the cache.

mockllm serve --port 8787 &
MOCKLLM_URL=http://127.0.0.1:8787 python examples/clients/anthropic_sync.py
"""

from __future__ import annotations

import os

from anthropic import Anthropic

MODEL = "claude-sonnet-5"
SYSTEM = "You answer in one sentence. " * 400


def main() -> None:
    client = Anthropic(api_key="any key will do", base_url=os.environ.get("MOCKLLM_URL", "http://127.0.0.1:8787"))
    message = client.messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "What is a latency budget?"}]
    )
    print("plain:", message.stop_reason, message.usage.output_tokens, "tokens")

    with client.messages.stream(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": "Why stream an answer?"}]
    ) as stream:
        pieces = list(stream.text_stream)
    print("streamed:", len(pieces), "pieces,", stream.get_final_message().stop_reason)

    for question in ("What is cached?", "What is read?"):
        usage = client.messages.create(
            model=MODEL,
            max_tokens=100,
            system=[{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": question}],
        ).usage
        print("cache: wrote", usage.cache_creation_input_tokens, "and read", usage.cache_read_input_tokens, "tokens")


if __name__ == "__main__":
    main()
