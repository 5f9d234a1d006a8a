"""Every recipe's step at the published size, on a GPU that is not there: shapes, devices, arithmetic.

Tiny networks go through the same lines with numbers in `test_gpu_path.py`; what only the published
sizes show is looked for here. Needs g++, as there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_gpu import machine

from savg.train.recipe import recipe_names

HERE = Path(__file__).resolve().parent
REASON = machine.why_not()
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    pytest.mark.slow,
]

PUBLISHED = {"joint": (133.7e6, 2.11e12), "superres": (311.0e6, 1.26e12)}
"""Parameters, and FLOP of one evaluation of a clip or frame, counted on the published networks."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("full_size")
    machine.build(folder)
    return machine.run_cases(HERE / "cases_full_size.py", folder, result=folder / "out.json")


@pytest.mark.parametrize("name", recipe_names())
def test_a_step_at_full_size_stays_on_the_gpu(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    result = results[f"train {name}"]
    assert "problem" not in result, result["problem"]
    assert result["waits"] == {}
    assert result["loss"] == ["torch.float32", "cuda:0"]
    assert result["gib"] < 10  # a sample by itself, with gradients: fits any GPU that trains these


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_and_arithmetic_are_those_of_the_published_networks(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    """A step takes three times an evaluation: the gradients of inputs and of weights."""
    parameters, flop = PUBLISHED[name]
    assert results[f"train {name}"]["parameters"] == pytest.approx(parameters, rel=1e-3)
    assert results[f"train {name}"]["flop"] == pytest.approx(3 * flop, rel=0.02)


def test_what_is_broken_on_purpose_is_found(results: dict[str, dict[str, Any]]) -> None:
    assert "cpu" in results["broken: a label on the CPU"]["problem"]
