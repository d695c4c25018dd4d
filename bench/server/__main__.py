"""The mock's requests and events a second, its pacing and its memory, beside a bare asyncio and a bare aiohttp server.

Run by `make bench`. Each round does the same work with all three, in turn, so the ratios do not depend on the machine
or on what else it does. Prints a table with what is wanted, and exits 1 where something of it is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.server.canned import keep_canned
from bench.server.findings import Finding, Memory, judge, judge_memory, table
from bench.server.load import Plan
from bench.server.processes import Server, carry_out, resident_bytes, server
from bench.server.workloads import AIOHTTP, ASYNCIO, MOCK, QUICK, STREAMED, WHOLE, Size, Workload, message, workloads
from mockllm.profiles import load

_BUSY = 0.9
# By how many tokens a second each profile speaks: all within a microsecond, one each microsecond, one every 10 ms.
_PROFILES = {"instant": 1e9, "a-microsecond-apart": 1e6, "flat": 100.0}


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__.splitlines()[0])
    options.add_argument("--quick", action="store_true", help="a little of everything: shows that it runs, no more")
    options.add_argument("--rounds", type=int, help="how many rounds, instead of the usual number")
    asked = options.parse_args()
    size = QUICK if asked.quick else WHOLE
    size = size._replace(rounds=asked.rounds or size.rounds)
    with tempfile.TemporaryDirectory() as folder:
        findings = [*compare(size, Path(folder)), judge_memory(remember(size, Path(folder)))]
    print(table(findings))
    return 0 if asked.quick or all(found.good for found in findings) else 1


def compare(size: Size, folder: Path) -> list[Finding]:
    """Every workload on all three servers, in turn, for as many rounds as there are."""
    series: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    work = workloads(size)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(mock(name, folder)).url for name in _PROFILES}
        for name in _PROFILES:
            tell(urls[name], size.tokens)
        canned = keep(work, urls, folder)
        for name, module in ((AIOHTTP, "bare_aiohttp"), (ASYNCIO, "bare_asyncio")):
            urls[name] = stack.enter_context(server(f"bench.server.{module}", str(canned))).url
        for number in range(size.rounds):
            print(f"round {number + 1} of {size.rounds}", file=sys.stderr, flush=True)
            for one in work:
                for name in (ASYNCIO, AIOHTTP, MOCK):
                    found = carry_out(one.plan_for(name, urls))
                    for figure, value in one.figures(found).items():
                        series[figure][name].append(value)
                        shares[figure, name].append(found["client_share"])
    for (figure, name), used in shares.items():
        if statistics.median(used) > _BUSY:
            print(f"the client was the bottleneck in {figure} of {name}, which could do more", file=sys.stderr)
    return [judge(figure, found) for figure, found in series.items()]


def remember(size: Size, folder: Path) -> Memory:
    """How much a mock of its own holds before, amid and after many requests, no two of which ask the same."""
    with mock("instant", folder) as held:

        def after(requests: int) -> int:
            carry_out(message("/v1/messages", size.connections, requests)._replace(url=held.url))
            return resident_bytes(held.pid)

        half = size.kept_requests // 2
        return Memory(after(min(half, 1000)), after(half), after(half), size.kept_requests)


@contextmanager
def mock(name: str, folder: Path) -> Iterator[Server]:
    """The mock as its command starts it, under the flat profile at a rate of its own; but for the flat one itself,
    the first token comes as early as it can."""
    text = load("flat-200ms-10ms")[1].decode()
    if name != "flat":
        text = _with_value(text, "ttft.intercept_s", 0.0)
    path = folder / f"{name}.toml"
    path.write_text(_with_value(text, "decode.tokens_per_s", _PROFILES[name]))
    with server("mockllm", "serve", "--profile", str(path), "--port", "0") as running:
        yield running


def tell(url: str, tokens: int) -> None:
    """Have the mock at `url` say `tokens` tokens to whatever is asked under the call path of the streams."""
    expected = {"call": STREAMED, "times": "always", "reply": {"output_tokens": tokens}}
    carry_out(Plan(url, "/_mock/expect", {}, json.dumps(expected), 1, 1))


def keep(work: list[Workload], urls: Mapping[str, str], folder: Path) -> Path:
    """A file of what the mock itself answers, once without and once with streaming, for the references to send."""
    said, streamed = (
        carry_out(one.plan_for(MOCK, urls)._replace(connections=1, exchanges=1, detail=True, keep=True))["kept"]
        for one in (work[0], work[-1])
    )
    path = folder / "canned.json"
    keep_canned(path, "".join(said).encode(), [data.encode() for data in streamed])
    return path


def _with_value(profile: str, parameter: str, value: float) -> str:
    before, table_name, after = profile.partition(f"[{parameter}]\nvalue = ")
    assert table_name, parameter
    return f"{before}{table_name}{value}\n{after.partition(chr(10))[2]}"


if __name__ == "__main__":
    sys.exit(main())
