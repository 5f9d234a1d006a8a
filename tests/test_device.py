"""Which number format is chosen, and where: by measurement on a CPU, by its generation on a GPU."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from savg import cpu_speed, device
from savg.device import Compute, choose, preferring
from savg.errors import SavgError


@pytest.mark.parametrize(
    ("gain", "dtype", "reason"),
    [
        (3.14, torch.bfloat16, "cpu, bfloat16: 3.1 times as fast as float32 here"),
        (1.3, torch.bfloat16, "cpu, bfloat16: 1.3 times as fast as float32 here"),
        (1.29, torch.float32, "cpu, float32: bfloat16 is 1.3 times as fast as float32 here"),
        (0.05, torch.float32, "cpu, float32: bfloat16 is 0.05 times as fast as float32 here"),
    ],
)
def test_bfloat16_is_chosen_where_it_was_measured_to_be_faster(
    monkeypatch: pytest.MonkeyPatch, gain: float, dtype: torch.dtype, reason: str
) -> None:
    monkeypatch.setattr(device, "bfloat16_gain", lambda: gain)
    compute = choose("cpu")
    assert (compute.dtype, compute.reason) == (dtype, reason)


def test_the_speed_is_measured_once_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A second process, and a batch of another size, choose the same format: one seed, one clip."""
    times = iter([0.010, 0.004, 0.004, 99.0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cpu_speed, "_seconds", lambda dtype, repeats: next(times))
    assert cpu_speed.bfloat16_gain() == pytest.approx(2.5)
    cpu_speed._gain.cache_clear()  # as in another process
    assert cpu_speed.bfloat16_gain() == pytest.approx(2.5)
    assert next(times) == 99.0
    (stored,) = json.loads((tmp_path / "savg" / "cpu_speed.json").read_text()).values()
    assert stored == 2.5


def test_an_emulated_format_is_tried_once_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[torch.dtype, int]] = []

    def seconds(dtype: torch.dtype, repeats: int) -> float:
        asked.append((dtype, repeats))
        return 0.01 if dtype == torch.float32 else 0.2

    monkeypatch.setattr(cpu_speed, "_seconds", seconds)
    assert cpu_speed.measure() == pytest.approx(0.05)
    assert asked == [(torch.float32, cpu_speed.REPEATS), (torch.bfloat16, 1)]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", *(f'{{"here": {x}}}' for x in ('"fast"', -1, "true", "NaN", "1" + "0" * 400))],
)
def test_a_damaged_or_foreign_cache_is_measured_again(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cpu_speed.json"
    file.write_text(text)
    assert cpu_speed.recall(file, "here") is None
    cpu_speed.remember(1.5, file, "here")
    assert cpu_speed.recall(file, "here") == 1.5
    assert cpu_speed.recall(file, "another machine") is None


def test_the_first_choice_is_the_later_one_at_the_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A gain that is kept rounded is used rounded in the process that measured it too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cpu_speed, "measure", lambda: 1.2999999)
    first = choose("cpu").dtype
    cpu_speed._gain.cache_clear()  # as in another process
    assert choose("cpu").dtype == first == torch.bfloat16


def test_machines_that_share_a_home_keep_their_own_gains(tmp_path: Path) -> None:
    file = tmp_path / "cpu_speed.json"
    cpu_speed.remember(1.5, file, "here")
    cpu_speed.remember(0.2, file, "there")
    assert cpu_speed.recall(file, "here") == 1.5 and cpu_speed.recall(file, "there") == 0.2


def test_processes_that_measure_at_once_keep_one_gain(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    file = tmp_path / "cpu_speed.json"
    with ThreadPoolExecutor(8) as pool:
        gains = list(pool.map(lambda n: cpu_speed.remember(1 + n / 10, file, "here"), range(8)))
    assert set(gains) == {cpu_speed.recall(file, "here")}


def test_an_account_without_a_home_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cpu_speed.Path, "home", no_home)
    monkeypatch.setattr(cpu_speed, "measure", lambda: 2.0)
    cpu_speed._gain.cache_clear()
    assert cpu_speed.bfloat16_gain() == 2.0
    cpu_speed._gain.cache_clear()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cpu_speed.remember(1.5, tmp_path / "file" / "cpu_speed.json", "here")
    assert (tmp_path / "file").read_text() == ""


def test_it_really_measures() -> None:
    assert 0.001 < cpu_speed.measure() < 100


def test_a_requested_format_is_used() -> None:
    assert choose("cpu", "float32").reason == "cpu, float32 as requested"
    with pytest.raises(SavgError, match="dtype must be float32 or bfloat16, got float16"):
        choose("cpu", "float16")


def test_a_preferred_device_is_taken_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run on the CPU of a machine with a GPU computes its features there too."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with preferring(Compute(torch.device("cpu"), torch.float32, True, "")):
        assert choose().device.type == "cpu"
        assert choose("meta").device.type == "meta"
    with pytest.raises(SavgError, match="cuda is not available"):
        choose()


@pytest.mark.parametrize(
    ("capability", "native", "training", "expected"),
    [
        ((9, 0), True, False, "bfloat16"),
        ((9, 0), True, True, "bfloat16"),
        ((7, 5), False, False, "float16"),
        ((7, 0), False, True, "float32"),
        ((6, 1), False, False, "float32"),
    ],
)
def test_the_format_of_a_gpu_goes_by_its_generation(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    native: bool,
    training: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(device, "_usable", torch.device)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda place=None: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: native)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("highest")
        choose("cuda:1", "float32", training=training)
        assert torch.get_float32_matmul_precision() == "highest", "as it was"
        compute = choose("cuda:1", training=training)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    assert compute.dtype == getattr(torch, expected)
    assert compute.device == torch.device("cuda", 1) and compute.reason.startswith("cuda:1, ")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_an_accelerator_is_chosen_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(device, "_usable", torch.device)
    monkeypatch.setattr(device, "_on_gpu", lambda place, _: Compute(place, torch.half, True, ""))
    compute = choose()
    assert compute.device.type == expected
    if expected == "mps":
        assert (compute.dtype, device.wide_dtype(compute.device)) == (torch.float32,) * 2
    else:
        assert device.wide_dtype(compute.device) == torch.float64
