"""Which number format is chosen, and where: by measurement on a CPU, by its generation on a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from savg import cpu_speed, device
from savg.cpu_speed import Measurement
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


def _measured(
    gain: float, load: float | None = 0.5, when: float = 0.0, count: int = 1
) -> Measurement:
    """A measurement of this gain, on a machine of this load for each core."""
    return Measurement(0.01 * gain, 0.01, count, when, load)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., float]:
    """start(hour, measurement) → the gain of a process that starts then and, if it has to measure,
    gets that; without a measurement it must not measure."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def start(hour: float, measurement: Measurement | None = None) -> float:
        def measure() -> Measurement:
            assert measurement is not None, "it was measured again"
            return replace(measurement, when=3600 * hour)

        cpu_speed._gain.cache_clear()
        monkeypatch.setattr(cpu_speed.time, "time", lambda: 3600 * hour)
        monkeypatch.setattr(cpu_speed, "measure", measure)
        gain = cpu_speed.bfloat16_gain()
        cpu_speed._gain.cache_clear()
        return gain

    return start


def test_a_clear_gain_of_a_calm_machine_is_measured_once(
    starts: Callable[..., float], tmp_path: Path
) -> None:
    """A second process, and a batch of another size, choose the same format: one seed, one clip."""
    assert starts(0, _measured(2.5)) == pytest.approx(2.5)
    assert starts(1) == starts(1000) == pytest.approx(2.5)
    (stored,) = json.loads((tmp_path / "savg" / "cpu_speed.json").read_text()).values()
    assert stored == {"float32": 0.025, "bfloat16": 0.01, "count": 1, "when": 0.0, "load": 0.5}


def test_an_outlier_under_load_is_mended_by_a_later_start(starts: Callable[..., float]) -> None:
    """bfloat16 is thrice as fast, but was held up; the shortest times of both measurements count."""
    assert starts(0, Measurement(0.03, 0.04, load=6.0)) == pytest.approx(0.75)
    assert starts(1, Measurement(0.05, 0.01, load=3.0)) == pytest.approx(3.0)
    assert starts(2) == pytest.approx(3.0)


def test_a_gain_near_the_limit_is_measured_again_until_it_has_been_often_enough(
    starts: Callable[..., float],
) -> None:
    for hour in range(cpu_speed.ENOUGH):
        assert starts(hour, _measured(1.35)) == pytest.approx(1.35)
    assert starts(cpu_speed.ENOUGH) == pytest.approx(1.35)


def test_processes_that_start_soon_after_take_even_an_unclear_gain(
    starts: Callable[..., float],
) -> None:
    starts(1, _measured(1.35))
    assert starts(1.1) == pytest.approx(1.35)


@pytest.mark.parametrize(
    ("gain", "load", "count", "settled"),
    [
        (2.0, 0.9, 1, True),
        (2.0, None, 1, True),
        (2.0, 1.1, 1, False),  # busy
        (2.0, 1.1, 2, True),
        (1.6, 0.1, 1, False),  # within a quarter of the limit
        (1.05, 0.1, 7, False),
        (1.6, 0.1, cpu_speed.ENOUGH, True),
        (1.0, 0.1, 1, True),
    ],
)
def test_a_measurement_is_settled_by_a_clear_margin_and_a_calm_machine(
    gain: float, load: float | None, count: int, settled: bool
) -> None:
    assert _measured(gain, load, count=count).is_settled == settled


def test_formats_are_timed_in_turn_and_their_shortest_times_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []
    times = {"float32": iter([9.0, 0.02, 0.02]), "bfloat16": iter([0.01, 5.0, 0.04])}

    def seconds(trial: str) -> float:
        order.append(trial)
        return next(times[trial])

    monkeypatch.setattr(cpu_speed, "_trial", lambda dtype: str(dtype).removeprefix("torch."))
    monkeypatch.setattr(cpu_speed, "_seconds", seconds)
    monkeypatch.setattr(cpu_speed, "ROUNDS", 3)
    measured = cpu_speed.measure()
    assert order == ["float32", "bfloat16"] * 3
    assert (measured.float32, measured.bfloat16) == (0.02, 0.01)


def test_a_slow_machine_is_measured_for_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(cpu_speed, "_trial", lambda dtype: dtype)
    monkeypatch.setattr(cpu_speed, "_seconds", lambda trial: asked.append(trial) or 0.5)
    monkeypatch.setattr(cpu_speed, "SECONDS", 0.0)
    cpu_speed.measure()
    assert asked == [torch.float32, torch.bfloat16] * 2


WRONG = ["fast", 1.5, [], {}, {"float32": 1.0}, {"float32": 1.0, "bfloat16": 0}]


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{"),
        *(json.dumps({"here": value}) for value in WRONG),
        *(f'{{"here": {{"float32": 1.0, "bfloat16": {x}}}}}' for x in ("true", "NaN", "1e400")),
        f'{{"here": {{"float32": 1.0, "bfloat16": 1{"0" * 400}}}}}',
    ],
)
def test_a_damaged_or_foreign_cache_is_measured_again(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cpu_speed.json"
    file.write_text(text)
    assert cpu_speed.recall(file, "here") is None
    cpu_speed.remember(_measured(1.5), file, "here")
    assert cpu_speed.recall(file, "here") == _measured(1.5)
    assert cpu_speed.recall(file, "another machine") is None


def test_machines_that_share_a_home_keep_their_own_gains(tmp_path: Path) -> None:
    file = tmp_path / "cpu_speed.json"
    cpu_speed.remember(_measured(1.5), file, "here")
    cpu_speed.remember(_measured(0.2), file, "there")
    assert cpu_speed.recall(file, "here") == _measured(1.5)
    assert cpu_speed.recall(file, "there") == _measured(0.2)


@pytest.mark.parametrize("known", [None, _measured(1.25)])
def test_processes_that_measure_at_once_keep_one_gain(
    tmp_path: Path, known: Measurement | None
) -> None:
    pytest.importorskip("fcntl")
    file = tmp_path / "cpu_speed.json"
    if known:
        cpu_speed.remember(known, file, "here")

    def remember(n: int) -> Measurement:
        return cpu_speed.remember(_measured(1 + n / 10, when=n), file, "here", known)

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(remember, range(1, 9)))
    assert set(kept) == {cpu_speed.recall(file, "here")}


def test_an_account_without_a_home_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(cpu_speed.Path, "home", no_home)
    monkeypatch.setattr(cpu_speed, "measure", lambda: _measured(2.0))
    cpu_speed._gain.cache_clear()
    assert cpu_speed.bfloat16_gain() == pytest.approx(2.0)
    cpu_speed._gain.cache_clear()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cpu_speed.remember(_measured(1.5), tmp_path / "file" / "cpu_speed.json", "here")
    assert (tmp_path / "file").read_text() == ""


def test_it_really_measures() -> None:
    measured = cpu_speed.measure()
    assert 0.001 < measured.gain < 100 and measured.count == 1


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
