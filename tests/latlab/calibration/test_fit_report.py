from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from profiles_for_tests import make_profile
from rich.console import Console

from latlab.calibration.estimation import Estimate, Form
from latlab.calibration.fit_report import FitReport, error_line
from latlab.calibration.intervals import Fit
from latlab.calibration.judgement import UnfittedError
from latlab.calibration.ttft_model import TtftModel

ERROR = UnfittedError(p50=0.012, p95=0.043, noise_p50=0.028, noise_p95=0.18, n=37)


@pytest.fixture
def report() -> FitReport:
    model = TtftModel(intercept_s=0.5, uncached_s_per_1k=0.012, cached_s_per_1k=0.0, sigma=0.1)
    line = Estimate(Form("shifted_lognormal", spikes=False, curved=False), model, np.zeros(4), 12.3)
    curve = Estimate(Form("shifted_lognormal", spikes=False, curved=True), model, np.zeros(5), 9.9)
    return FitReport(make_profile(), Fit(line, {}, [curve, line], refused=curve), ERROR, "text", skipped=3)


def test_the_json_is_the_contract_s(report: FitReport) -> None:
    shown = report.to_json()
    assert set(shown) == {"parameters", "unfitted_error"}
    assert shown["unfitted_error"] == {"p50": 0.012, "p95": 0.043, "noise_p50": 0.028, "noise_p95": 0.18}
    for parameter in shown["parameters"]:
        assert set(parameter) == {"name", "value", "interval", "evidence", "n"}
    assert {
        "ttft.intercept_s",
        "ttft.uncached_s_per_1k",
        "ttft.cached_s_per_1k",
        "decode.tokens_per_s",
        "connection.setup_s",
    } <= {parameter["name"] for parameter in shown["parameters"]}


@pytest.mark.parametrize("width", [80, 200])
def test_a_person_sees_evidence_forms_and_error(report: FitReport, width: int) -> None:
    page = StringIO()
    report.render(Console(file=page, width=width))
    text = " ".join(page.getvalue().split())
    for words in ("ttft.uncached_s_per_1k", "assumed", "chosen", "not told from zero", "12.3", "3 rows", "1.2 %"):
        assert words in text


def test_the_error_stands_beside_what_chance_gives() -> None:
    assert error_line(ERROR) == (
        "on the 37 rows that were not fitted: p50 1.2 % (chance alone: up to 2.8 %), p95 4.3 % (up to 18.0 %)."
    )
