"""A coding agent's tools, and the calls that it makes of them.

Latencies are assumed tool by tool, since the recording names none; their mix is set to the recorded wait between one
turn and the next (see `RECORDED_WAIT_S` in tests/scenarios/test_coding_tools.py).
"""

from __future__ import annotations

from typing import Any

from latlab import Tool
from mockllm.core.distributions import Lognormal
from recorded_workload import RESULT_TOKENS

__all__ = ["REQUESTS", "TOOLS"]


def _schema(required: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


READ_FILE = Tool(
    "read_file",
    "Read a text file of the repository and return its lines with their numbers. Prefer a range of lines where the "
    "place is known: whole files are cut after 2,000 lines.",
    _schema(
        ("path",),
        path={"type": "string", "description": "Path from the root of the repository, such as src/orders/ledger.py"},
        first_line={"type": "integer", "minimum": 1, "description": "First line to return; 1 where it is left out"},
        last_line={"type": "integer", "minimum": 1, "description": "Last line to return, itself included"},
    ),
    Lognormal(0.006, 0.3),
    RESULT_TOKENS,
)
SEARCH_CODE = Tool(
    "search_code",
    "Find the places in the repository that match a regular expression. Returns path, line number and the line, at most "
    "100 matches, nearest path first. Use it before reading: it is cheap.",
    _schema(
        ("pattern",),
        pattern={"type": "string", "description": "Regular expression in RE2 syntax"},
        glob={"type": "string", "description": "Only files whose path matches this pattern, such as **/*.py"},
        context_lines={"type": "integer", "minimum": 0, "maximum": 10, "description": "Lines to show around a match"},
    ),
    Lognormal(0.16, 0.4),
    RESULT_TOKENS,
)
RUN_COMMAND = Tool(
    "run_command",
    "Run a shell command at the root of the repository in a sandbox without network, and return its exit code and the "
    "end of its output. For tests, builds and version control; never to read or to search files.",
    _schema(
        ("command", "timeout_s"),
        command={"type": "string", "description": "The command line, as a shell takes it"},
        timeout_s={"type": "integer", "minimum": 1, "maximum": 600, "description": "Seconds after which it is stopped"},
    ),
    Lognormal(2.6, 1.6),
    RESULT_TOKENS,
)
QUERY_DATABASE = Tool(
    "query_database",
    "Run one read-only SQL statement on the staging copy of the orders database and return at most 200 rows as CSV.",
    _schema(
        ("sql",),
        sql={"type": "string", "description": "A single SELECT statement in PostgreSQL's dialect"},
        explain={"type": "boolean", "description": "Return the plan with its timings in place of the rows"},
    ),
    Lognormal(0.25, 0.6),
    RESULT_TOKENS,
)
HTTP_GET = Tool(
    "http_get",
    "Fetch a page of the internal documentation, a dashboard's data or an issue by its URL, and return its text.",
    _schema(
        ("url",),
        url={"type": "string", "format": "uri", "description": "An https URL on docs.example.com or status.example.com"},
    ),
    # As the search of LLMCompiler's Movie set-up (ICML 2024): mean 0.61 s, sigma 0.48.
    Lognormal(0.544, 0.48),
    RESULT_TOKENS,
)

TOOLS = (READ_FILE, SEARCH_CODE, RUN_COMMAND, QUERY_DATABASE, HTTP_GET)

# In the order in which a turn's calls are taken: those beside one another make sense together.
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("search_code", {"pattern": "def settle_order", "glob": "**/*.py", "context_lines": 3}),
    ("read_file", {"path": "src/orders/settlement.py", "first_line": 40, "last_line": 180}),
    ("read_file", {"path": "tests/orders/test_settlement.py"}),
    ("run_command", {"command": "pytest -x -q tests/orders/test_settlement.py", "timeout_s": 120}),
    ("query_database", {"sql": "select id, state, settled_at from orders where state = 'stuck' limit 20"}),
    ("search_code", {"pattern": "RetryPolicy\\(", "glob": "src/**/*.py"}),
    ("run_command", {"command": "git log --oneline -15 -- src/orders", "timeout_s": 20}),
    ("http_get", {"url": "https://docs.example.com/runbooks/orders-settlement"}),
    ("read_file", {"path": "src/orders/retry.py"}),
    ("run_command", {"command": "mypy src/orders && ruff check src/orders", "timeout_s": 180}),
    ("search_code", {"pattern": "idempotency_key", "context_lines": 2}),
    ("run_command", {"command": "pytest -q tests/orders", "timeout_s": 300}),
)
