from __future__ import annotations

import copy
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.image import imread

from latlab.harness.reporter.artifact import UnwritableArtifactError
from latlab.harness.reporter.plots import write_ecdf, write_forest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BLACK, BLUE, VERMILION = "#000000", "#0072B2", "#D55E00"


@pytest.fixture
def samples() -> dict[str, NDArray[np.float64]]:
    seconds = np.exp(np.linspace(1.5, 2.5, 200))
    return {
        "baseline": seconds,
        "cache_control=conversation": 0.6 * seconds,
        "connection_reuse=true": seconds,
    }


def pixels(path: Path) -> NDArray[np.uint8]:
    """Height x width x RGB, 0-255; reading it proves that the PNG is whole."""
    return (imread(path)[:, :, :3] * 255).round().astype(np.uint8)


def has(image: NDArray[np.uint8], colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((image == rgb).all(axis=2).any())


def margin_is_white(image: NDArray[np.uint8]) -> bool:
    """Nothing drawn touches the border, so no text is cut there."""
    return all(bool((edge == 255).all()) for edge in (image[:4], image[-4:], image[:, :4], image[:, -4:]))


def test_the_ecdf_has_its_size_its_arms_colours_and_a_free_margin(
    samples: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    write_ecdf(samples, tmp_path / "ecdf.png", "total time")
    image = pixels(tmp_path / "ecdf.png")
    assert image.shape == (840, 1500, 3)
    assert margin_is_white(image)
    # The last arm lies exactly on the baseline, and both are to be seen.
    assert all(has(image, colour) for colour in (BLACK, BLUE, VERMILION))


def test_the_forest_has_its_size_both_metrics_and_a_free_margin(summary: dict[str, Any], tmp_path: Path) -> None:
    write_forest(summary, tmp_path / "forest.png")
    image = pixels(tmp_path / "forest.png")
    assert image.shape == (471, 1500, 3)
    assert margin_is_white(image)
    assert has(image, BLUE)
    assert has(image, VERMILION)


def test_pictures_grow_with_their_arms(summary: dict[str, Any], tmp_path: Path) -> None:
    name = "streaming=true, cache_control=conversation, parallel_tools=true, connection_reuse=true, arm"
    write_ecdf({f"{name}={i}": np.array([1.0, 2.0 + i]) for i in range(16)}, tmp_path / "ecdf.png", "16 arms")
    for i in range(12):
        config = {"toggle": i}
        summary["arms"].append(summary["arms"][1] | {"config": config, "label": name})
        summary["comparisons"] += [one | {"arm": config} for one in summary["comparisons"][:8]]
    write_forest(summary | {"target": "folder/" * 30}, tmp_path / "forest.png")
    for picture in ("ecdf.png", "forest.png"):
        assert pixels(tmp_path / picture).shape[0] > 1500
        assert margin_is_white(pixels(tmp_path / picture))


def test_the_same_figures_give_the_same_bytes_in_any_process(
    summary: dict[str, Any], samples: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    write_ecdf(samples, tmp_path / "ecdf.png", "total time")
    write_forest(summary, tmp_path / "forest.png")
    code = (
        "import sys, pathlib, numpy as np\n"
        "from latlab.harness.reporter.plots import write_ecdf, write_forest\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "write_forest(eval(sys.argv[2]), folder / 'forest_again.png')\n"
        "seconds = np.exp(np.linspace(1.5, 2.5, 200))\n"
        "write_ecdf({'baseline': seconds, 'cache_control=conversation': 0.6 * seconds,"
        " 'connection_reuse=true': seconds}, folder / 'ecdf_again.png', 'total time')\n"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path), repr(summary)], check=True, env=environment)
    for name in ("ecdf", "forest"):
        assert (tmp_path / f"{name}.png").read_bytes() == (tmp_path / f"{name}_again.png").read_bytes()


def test_other_figures_give_other_bytes(summary: dict[str, Any], tmp_path: Path) -> None:
    write_forest(summary, tmp_path / "one.png")
    other = copy.deepcopy(summary)
    other["comparisons"][0]["plausible_share"] = 0.5
    write_forest(other, tmp_path / "other.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "other.png").read_bytes()


def test_a_wide_spread_and_arms_without_runs_are_drawn(tmp_path: Path) -> None:
    write_ecdf({"slow": np.array([1.0, 500.0]), "broken": np.array([])}, tmp_path / "some.png", "t")
    write_ecdf({"broken": np.array([])}, tmp_path / "none.png", "t")
    assert has(pixels(tmp_path / "some.png"), BLACK)
    assert pixels(tmp_path / "none.png").shape == (840, 1500, 3)


def test_ratios_without_value_or_interval_and_studies_without_comparisons_are_drawn(
    summary: dict[str, Any], tmp_path: Path
) -> None:
    summary["plausible"] = None
    summary["comparisons"][0] |= {"ratio": None, "ci": None, "verdict": "no difference shown"}
    summary["comparisons"][4] |= {"ci": None}
    write_forest(summary, tmp_path / "gaps.png")
    write_forest(summary | {"comparisons": []}, tmp_path / "empty.png")
    assert margin_is_white(pixels(tmp_path / "gaps.png"))
    assert pixels(tmp_path / "empty.png").shape == (378, 1500, 3)


def test_an_unwritable_path_is_one_clear_line(
    summary: dict[str, Any], samples: dict[str, NDArray[np.float64]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableArtifactError, match=r"^cannot write .+ecdf\.png: [^;]+file is no folder; .+$"):
        write_ecdf(samples, tmp_path / "file" / "ecdf.png", "t")
    with pytest.raises(UnwritableArtifactError, match=r"^cannot write .+forest\.png: [^;]+file is no folder; .+$"):
        write_forest(summary, tmp_path / "file" / "forest.png")


def test_importing_the_reporters_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from latlab.harness.reporter import document, plots, terminal\n"
        "print([name for name in ('matplotlib', 'numpy', 'rich', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
