"""A coding agent: a question asked in the middle of a session, up to eight rounds of tools, an answer."""

from __future__ import annotations

from coding_task import QUESTIONS, REQUESTS, SYSTEM, TOOLS
from latlab import Lab, scenario
from recorded_workload import CONTEXT_TOKENS, TurnPlan

NEXT_TURN = TurnPlan(REQUESTS)
# What system prompt and tools take of a drawn context; the session so far has the rest.
PROMPT_TOKENS = 2_050


@scenario("tool_agent", summary="answers a question with up to eight rounds of tool calls")
async def tool_agent(lab: Lab) -> str:
    chat = lab.chat(system=SYSTEM, tools=TOOLS)
    session = lab.text("session", lab.draw(CONTEXT_TOKENS, "context") - PROMPT_TOKENS)
    chat.user(session, lab.pick(QUESTIONS))
    while True:
        reply = await lab.complete(chat, expect=NEXT_TURN)
        if not reply.tool_calls:
            return reply.text
        chat.tool_results(await lab.run_tools(reply.tool_calls))
