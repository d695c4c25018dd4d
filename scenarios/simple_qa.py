"""One question about a set of documents, one answer: the plainest thing that is done with an LLM."""

from __future__ import annotations

from latlab import Lab, Script, scenario
from recorded_workload import CHAT_ANSWER_TOKENS, CONTEXT_TOKENS
from support_task import QUESTIONS, SYSTEM

# What the system prompt takes of a drawn context; the documents have the rest.
PROMPT_TOKENS = 1_450


@scenario("simple_qa", summary="answers one question about a set of documents, without tools")
async def simple_qa(lab: Lab) -> str:
    chat = lab.chat(system=SYSTEM)
    documents = lab.text("documents", lab.draw(CONTEXT_TOKENS, "context") - PROMPT_TOKENS)
    chat.user(documents, lab.pick(QUESTIONS))
    reply = await lab.complete(chat, expect=Script(round(lab.draw(CHAT_ANSWER_TOKENS, "answer"))))
    return reply.text
