"""How far the wire world's measured times are from the plan: sim, warp and wire on one study.

Sim and warp must measure the same, to the microsecond; of wire the plan must be the same, and what its raw reader
measures beyond it is the lateness of two processes and a loopback. Real time passes: a minute or two.

Prints one JSON object; exit code 1 where a plan differs, or where a median is further from it than three milliseconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from latlab.harness.conduct import Conditions, conduct
from latlab.harness.planning import Asked, plan_study

MOST_S = 0.003
VARIED = ["streaming=false,true", "cache_control=off,conversation"]


def carried_out(world: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The summary of the study in `world`."""
    pace = {"speed": args.speed, "client": args.client} if world == "wire" else {}
    study = plan_study(Asked(args.target, world, args.profile, varied=VARIED, runs=args.runs, **pace))
    return conduct(study, Conditions(folder, "inline", True, ""), lambda done, total: None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", default="simple_qa")
    parser.add_argument("--profile", default="claude-sonnet-5")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--client", default="raw")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {world: carried_out(world, args, Path(folder)) for world in ("sim", "warp", "wire")}
    account = found["wire"]["wire"]
    medians = {
        name: {"apart_s": one["measured"] - one["planned"], **one} for name, one in account["median_call_s"].items()
    }
    alike = all(
        one["metrics"] == other["metrics"]
        for one, other in zip(found["sim"]["arms"], found["warp"]["arms"], strict=True)
    )
    print(json.dumps({"sim_equals_warp": alike, "medians": medians, **account}, indent=2))
    planned = account["plan"]["equal"] == account["plan"]["calls"]
    near = all(abs(one["apart_s"]) <= MOST_S * args.speed for one in medians.values())
    return 0 if alike and planned and near else 1


if __name__ == "__main__":
    sys.exit(main())
