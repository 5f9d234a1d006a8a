"""Operations of a step and their share of a GPU's peak; the benchmark where there is no GPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu_speed
from savg.train import arithmetic
from savg.train.arithmetic import Pace, peak_flops, step_flops


def test_operations_of_a_matrix_product_and_its_gradients() -> None:
    a, b = torch.randn(3, 5, requires_grad=True), torch.randn(5, 7, requires_grad=True)
    forward = 2 * 3 * 5 * 7  # a multiplication and an addition each
    assert step_flops(lambda: (a @ b).sum().backward()) == 3 * forward


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("Tesla T4", 65e12),
        ("NVIDIA GeForce GTX 1060", None),
    ],
)
def test_the_peak_of_a_gpu_is_found_by_its_whole_name(name: str, peak: float | None) -> None:
    assert peak_flops(name) == peak


def test_mfu_is_arithmetic_by_time_and_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 6.0])
    monkeypatch.setattr(arithmetic.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    pace = Pace(torch.device("cuda", 0))
    x = torch.randn(64, 64)
    for _ in range(4):
        with pace.step():
            _ = x @ x
    flops = 2 * 64**3
    assert pace.read() == {
        "tflops": pytest.approx(4 * flops / 2.0 / 1e12),
        "mfu": pytest.approx(4 * flops / 2.0 / 989e12),
    }
    with pace.step():
        _ = x @ x
    assert pace.read()["tflops"] == pytest.approx(flops / 4.0 / 1e12)


def test_a_cpu_has_no_mfu() -> None:
    pace = Pace(torch.device("cpu"))
    with pace.step():
        pass
    assert pace.read() == {}


def test_the_benchmark_needs_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_speed.main([]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert "needs a GPU that torch can use; there is none." in said.err
