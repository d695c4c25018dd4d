"""A research agent: few rounds, and in each of them many searches that do not depend on one another."""

from __future__ import annotations

from latlab import Lab, scenario
from mockllm.core.distributions import Choice
from recorded_workload import CONTEXT_TOKENS, TurnPlan
from research_task import QUESTIONS, REQUESTS, SYSTEM, TOOLS

# Assumed: the prompt asks for four to eight searches at a time and three rounds at most. LLMCompiler's Movie questions
# (ICML 2024) take eight at once.
NEXT_TURN = TurnPlan(REQUESTS, rounds=Choice((1, 2, 3), (3, 4, 3)), calls=Choice((4, 5, 6, 7, 8), (1, 1, 1, 1, 1)))
# What system prompt and tools take of a drawn context; the story so far has the rest.
PROMPT_TOKENS = 1_450


@scenario("tool_agent_wide", summary="answers a question with up to three rounds of four to eight searches each")
async def tool_agent_wide(lab: Lab) -> str:
    chat = lab.chat(system=SYSTEM, tools=TOOLS)
    story = lab.text("story", lab.draw(CONTEXT_TOKENS, "context") - PROMPT_TOKENS)
    chat.user(story, lab.pick(QUESTIONS))
    while True:
        reply = await lab.complete(chat, expect=NEXT_TURN)
        if not reply.tool_calls:
            return reply.text
        chat.tool_results(await lab.run_tools(reply.tool_calls))
