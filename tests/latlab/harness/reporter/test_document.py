from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from latlab.harness.reporter.artifact import UnwritableArtifactError
from latlab.harness.reporter.document import to_json, write

if TYPE_CHECKING:
    from pathlib import Path

Verdict = Literal["faster", "slower", "no difference shown", "identical"]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class Metric(Strict):
    mean: float | None


class Metrics(Strict):
    total_s: Metric
    perceived_s: Metric
    ttft_s: Metric
    tokens_per_s: Metric
    cache_hit_rate: Metric
    cost_usd: Metric


class Arm(Strict):
    scenario: str
    config: dict[str, Any]
    n: int
    errors: int
    metrics: Metrics


class Comparison(Strict):
    scenario: str
    baseline: dict[str, Any]
    arm: dict[str, Any]
    metric: str
    statistic: Literal["geometric_mean", "p50", "p95", "p99"]
    ratio: float | None
    ci: list[float] | None
    p_adjusted: float | None
    plausible_share: float | None
    verdict: Verdict


class Study(Strict):
    study: str
    path: str
    digest: str
    world: str
    seed: int
    profile: str | None
    arms: list[Arm]
    comparisons: list[Comparison]


def test_the_document_keeps_the_contract_and_loses_nothing(summary: dict[str, Any]) -> None:
    text = to_json(summary)
    Study.model_validate_json(text)
    assert json.loads(text) == summary


@pytest.mark.parametrize(
    ("model", "where"),
    [(Study, ()), (Arm, ("arms", 0)), (Metrics, ("arms", 0, "metrics")), (Comparison, ("comparisons", 0))],
)
def test_the_contracts_keys_come_first_and_in_its_order(
    summary: dict[str, Any], model: type[BaseModel], where: tuple[str | int, ...]
) -> None:
    part = json.loads(to_json(summary))
    for step in where:
        part = part[step]
    assert list(part)[: len(model.model_fields)] == list(model.model_fields)


@pytest.mark.parametrize("figure", [float("nan"), float("inf")])
def test_a_figure_that_json_lacks_is_refused(summary: dict[str, Any], figure: float) -> None:
    summary["arms"][0]["metrics"]["total_s"]["mean"] = figure
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(summary)


def test_the_file_is_the_document_and_a_newline(summary: dict[str, Any], tmp_path: Path) -> None:
    summary["target"] = "café"
    path = tmp_path / "new folder" / "summary.json"
    write(summary, path)
    assert path.read_bytes().decode("utf-8") == to_json(summary) + "\n"


def test_what_cannot_be_a_document_leaves_the_old_file(summary: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write(summary, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(summary | {"seed": float("nan")}, path)
    assert path.read_bytes() == before


def test_an_unwritable_path_is_one_clear_line(summary: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableArtifactError, match=r"^cannot write .*summary\.json: [^;]+file is no folder; .+$"):
        write(summary, tmp_path / "file" / "summary.json")
