"""What the shipped scenarios say to the model: system prompts and questions."""

from __future__ import annotations

__all__ = ["CODING_QUESTIONS", "CODING_SYSTEM", "SUPPORT_QUESTIONS", "SUPPORT_SYSTEM"]

CODING_SYSTEM = """TODO"""
SUPPORT_SYSTEM = """TODO"""
CODING_QUESTIONS = ("Why do some orders stay stuck after a retry? Find the cause, mend it and show me that it holds.",)
SUPPORT_QUESTIONS = ("May a customer return a part that was opened, and who pays for the way back?",)
