"""A machine without a GPU that torch takes for one with two.

`start` comes before torch is imported, in a process of its own: it loads two small libraries that stand
for CUDA's driver, and replaces what asks for hardware. `savg` itself is not changed. Nothing here tells
speed, or kernels that CUDA lacks.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import traceback
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MAX_GRID = 65_535
"""Largest batch that CUDA's attention kernels take."""


def torch_folder() -> Path:
    return Path(sysconfig.get_paths()["purelib"]) / "torch"


def why_not() -> str | None:
    """The reason why there is no such machine here, None if there is."""
    if shutil.which("g++") is None:
        return "g++ is not installed, which builds the stand-in for CUDA's driver"
    if not (torch_folder() / "lib" / "libc10_cuda.so").is_file():
        return "torch was built without CUDA"
    import torch

    return (
        "there is a GPU, on which the tests marked gpu run" if torch.cuda.is_available() else None
    )


def build(folder: Path) -> None:
    """Compile both libraries into `folder`."""
    library = torch_folder() / "lib"
    compiler = ["g++", "-O1", "-std=c++17", "-shared", "-fPIC"]
    commands = [
        [
            *compiler, "-Wl,-soname,libcuda.so.1", str(HERE / "driver.cpp"),
            "-o", str(folder / "driver.so"),
        ],
        [
            *compiler, f"-I{torch_folder() / 'include'}", str(HERE / "guard.cpp"),
            "-o", str(folder / "guard.so"),
            f"-L{library}", "-lc10", "-lc10_cuda", f"-Wl,-rpath,{library}",
        ],
    ]  # fmt: skip
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)


def start(folder: Path) -> None:
    """Make torch believe in two GPUs; `folder` holds the libraries of `build`."""
    assert "torch" not in sys.modules, "the driver must be there before torch"
    ctypes.CDLL(str(folder / "driver.so"), mode=ctypes.RTLD_GLOBAL)
    import torch
    import torch._dynamo  # looks at functions that are replaced below

    guard = ctypes.CDLL(str(folder / "guard.so"))
    guard.install()
    import torch._subclasses.fake_tensor as fake_tensor

    fake_tensor.init_gpu_context = lambda device: None
    answers: dict[str, Any] = {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 2,
        "is_initialized": lambda: True,
        "current_device": guard.current_device,
        "set_device": lambda device: guard.set_device(_index(torch.device(device), guard)),
        "is_bf16_supported": lambda including_emulation=True: True,
        "manual_seed": lambda seed: None,
        "manual_seed_all": lambda seed: None,
        "get_device_name": lambda device=None: "no GPU",
        "get_device_capability": lambda device=None: (9, 0),
        "is_current_stream_capturing": lambda: False,
        "get_rng_state": lambda device="cuda": torch.get_rng_state(),
        "set_rng_state": lambda state, device="cuda": None,
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, answer)
    # wrapped tensors cannot be inference tensors
    torch.inference_mode = lambda mode=True: (
        torch.no_grad()
        if mode is True
        else torch.enable_grad()
        if mode is False
        else torch.no_grad()(mode)
    )
    torch.cuda.graphs.is_current_stream_capturing = lambda: False
    torch.__future__.set_swap_module_params_on_conversion(True)


def _index(device: Any, guard: Any) -> int:
    return guard.current_device() if device.index is None else device.index


def where() -> str:
    """The innermost line of the project, of the code under test first."""
    frame: Any = sys._getframe(1)
    other = "?"
    while frame is not None:
        name = frame.f_code.co_filename
        if "/savg/" in name:
            return f"savg/{name.rpartition('/savg/')[2]}:{frame.f_lineno}"
        if "/fake_gpu/cases" in name and other == "?":
            other = f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return other


def problem(error: BaseException) -> str:
    """What went wrong, and the innermost line of the project where it did."""
    lines = [f for f in traceback.extract_tb(error.__traceback__) if "/savg/" in f.filename]
    place = (
        f" at savg/{lines[-1].filename.rpartition('/savg/')[2]}:{lines[-1].lineno}" if lines else ""
    )
    return f"{type(error).__name__}: {str(error)[:500]}{place}"


def check_attention(query: Any, key: Any, value: Any) -> None:
    """RuntimeError for what CUDA's attention kernels refuse."""
    if len({x.dtype for x in (query, key, value)}) > 1:
        raise RuntimeError("attention: query, key and value must have one number format")
    if query.numel() and query.shape[0] > MAX_GRID:
        raise RuntimeError(
            f"attention: CUDA's grid has {MAX_GRID} rows, got a batch of {len(query)}"
        )


def run_cases(script: Path, *arguments: Path, result: Path) -> dict[str, dict[str, Any]]:
    """What a script of cases, given these arguments and the file of its result, writes into it."""
    command = [sys.executable, "-X", "faulthandler", *map(str, (script, *arguments, result))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert process.returncode == 0, process.stderr[-3000:]
    if "once more" in process.stderr:
        warnings.warn(f"{script.name}: {process.stderr[-3000:]}", stacklevel=2)
    found: dict[str, dict[str, Any]] = json.loads(result.read_text())
    return found
