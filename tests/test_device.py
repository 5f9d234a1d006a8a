"""Which number format is chosen, by what the hardware says that it multiplies."""

from __future__ import annotations

import pytest
import torch

from savg.device import choose
from savg.errors import SavgError


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "dtype", "reason"),
    [
        (True, True, torch.bfloat16, "cpu, bfloat16: AMX tiles"),
        (True, False, torch.bfloat16, "cpu, bfloat16: AMX tiles"),
        (False, True, torch.bfloat16, "cpu, bfloat16: AVX-512-BF16"),
        (False, False, torch.float32, "cpu, float32: no fast bfloat16"),
    ],
)
def test_bfloat16_is_chosen_where_the_cpu_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512_bf16: bool, dtype: torch.dtype, reason: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    compute = choose("cpu")
    assert (compute.dtype, compute.reason) == (dtype, reason)


def test_a_requested_format_is_used() -> None:
    assert choose("cpu", "float32").reason == "cpu, float32 as requested"
    with pytest.raises(SavgError, match="dtype must be float32 or bfloat16, got float16"):
        choose("cpu", "float16")
