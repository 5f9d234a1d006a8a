"""Files of tensors: safetensors in and out, and torch's own files as data only.

Files may come from strangers: what is read is bounded by the size of the file, and no code in it runs.
"""

from __future__ import annotations

import math
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savg.errors import CheckpointError, first_line

if TYPE_CHECKING:
    import torch

    Shapes = dict[str, tuple[int, ...]]


def save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors by name; OSError where the disk does not take them."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        number = int(code[1]) if code else 0
        reason = os.strerror(number) if code else first_line(error)
        raise OSError(number, reason) from error


def tensor_shapes(path: Path) -> Shapes:
    """Shapes by name of a safetensors file, read from its header; CheckpointError if it is damaged."""
    from safetensors import safe_open

    with _naming(path), safe_open(path, "pt") as file:
        return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name of a safetensors file; CheckpointError if it is damaged."""
    from safetensors.torch import load_file

    with _naming(path):
        return load_file(path)


class _naming:
    """Errors about a safetensors file name it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        if not self.path.is_file():
            raise CheckpointError(f"{self.path}: no such weights file.")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from safetensors import SafetensorError

        if isinstance(error, OSError):
            reason = error.strerror or first_line(error)
            raise CheckpointError(f"{self.path} could not be read: {reason}.") from error
        # besides its own error, whatever torch says of a number format that it does not have
        refused = (
            SafetensorError,
            ValueError,
            TypeError,
            LookupError,
            RuntimeError,
            AttributeError,
        )
        if isinstance(error, refused):
            raise CheckpointError(f"{self.path} is not a safetensors file, or damaged.") from error


def load_torch(path: str | os.PathLike[str]) -> Any:
    """The content of a file of torch.save, opened as data only (`weights_only`).

    CheckpointError for another file, and for one that would take more memory than its own size.
    """
    import torch

    check_stored(Path(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols that torch does not expect
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(
            f"{path} could not be read: {error.strerror or first_line(error)}."
        ) from error
    except Exception as error:  # a damaged pickle raises whatever its damaged calls raise
        raise CheckpointError(
            f"{path} is not a checkpoint that can be read as data only (weights_only)."
        ) from error


def check_stored(path: Path) -> None:
    """CheckpointError for a zip file of torch's whose members unpack to more than they take."""
    try:
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}.") from error
    except Exception as error:  # a damaged directory raises struct.error, UnicodeDecodeError …
        raise CheckpointError(f"{path} is a damaged checkpoint.") from error
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"{path} is not a checkpoint of torch: its members must not be compressed."
        )


def check_plain(path: str | os.PathLike[str], tensors: Iterable[torch.Tensor]) -> None:
    """CheckpointError for tensors that are not plain numbers, or stand for more than the file holds.

    A view may repeat its numbers, so that a small file describes a huge tensor.
    """
    import torch

    total = 0
    for tensor in tensors:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or not (
            tensor.layout == torch.strided
            and tensor.device.type == "cpu"
            and not tensor.is_quantized
            and not tensor.is_nested
        ):
            raise CheckpointError(f"{path} must hold plain tensors, got one of another kind.")
        total += tensor.numel() * tensor.element_size()
    if total > 2 * Path(path).stat().st_size:  # twice: names of one tensor may be two
        raise CheckpointError(f"{path} must not describe more numbers than it holds.")


def first_not_finite(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the first tensor with NaN or infinity, if there is one."""
    for name, tensor in tensors.items():
        # A sum is finite only if all its terms are, and costs a tenth of looking at each.
        if (
            tensor.is_floating_point()
            and not math.isfinite(float(tensor.sum()))
            and not bool(tensor.isfinite().all())
        ):
            return name
    return None
