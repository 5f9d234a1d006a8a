"""Component folders by strangers: each field wild, weights of another configuration, damaged files."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from nested_values import changed, places

from savg import hub
from savg.errors import CheckpointError
from savg.models import (
    audioclip,
    bigvgan,
    depth_net,
    griffin_lim,
    harmonic_vocoder,
    i3d,
    istft_vocoder,
    joint_config,
    mel_vae,
    mmaudio,
    nanodet,
    oobleck,
    seld,
    stable_audio,
    stereosync,
    superres_unet,
    synchformer,
    synchformer_sync,
    vggish,
    video_unet,
    visual_flow,
    yolox,
)

CONFIGS: dict[str, Any] = {
    "joint_unet": joint_config.CONFIGS["tiny"],
    "video_unet": video_unet.CONFIGS["tiny"],
    "superres_unet": superres_unet.CONFIGS["tiny"],
    "seld": seld.CONFIGS["tiny"],
    "yolox": yolox.CONFIGS["test"],
    "nanodet": nanodet.CONFIGS["test"],
    "mmaudio": mmaudio.CONFIGS["tiny"],
    "mel_vae": mel_vae.CONFIGS["tiny"],
    "bigvgan": bigvgan.CONFIGS["tiny"],
    "synchformer": synchformer.CONFIGS["tiny"],
    "synchformer_sync": synchformer_sync.CONFIGS["tiny"],
    "visual_flow": visual_flow.CONFIGS["tiny"],
    "istft_vocoder": istft_vocoder.CONFIGS["tiny"],
    "griffin_lim": griffin_lim.CONFIGS["tiny"],
    "harmonic_vocoder": harmonic_vocoder.CONFIGS["tiny"],
    "audioclip": audioclip.CONFIGS["tiny"],
    "stable_audio": stable_audio.CONFIGS["tiny"],
    "stereosync": stereosync.CONFIGS["tiny"],
    "oobleck": oobleck.CONFIGS["tiny"],
    "depth": depth_net.CONFIGS["tiny"],
    "vggish": vggish.CONFIGS["tiny"],
    "i3d": i3d.I3dConfig(num_classes=12, width=0.0625),
}

WILD: tuple[Any, ...] = (
    10**9, 2**63 - 1, -1, 0, 1.5, 1e308, -1e-300, True, "12", None, [], {}, [10**9] * 3, [[]],
    {"a": {"b": 1}}, 16_384, 128, 4096,
)  # fmt: skip

LONG: tuple[Any, ...] = ([1] * 60_000, "x" * 60_000, {str(i): i for i in range(10_000)})
"""For one field of each form, as they take long to read."""

SENTENCE = 400


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A component of every kind, of random weights."""
    folder = tmp_path_factory.mktemp("components")
    for kind, config in CONFIGS.items():
        model = hub.model_format(kind).build(config)
        hub.save_component(model, folder / kind, kind, hub.Card("MIT", "a test"))
    return folder


def refusal(folder: Path) -> str | None:
    """The sentence with which a component is refused; None where it loads."""
    try:
        hub.load_component(folder)
    except CheckpointError as error:
        text = str(error)
        assert str(folder) in text and text.endswith(".") and "\n" not in text
        assert len(text.replace(str(folder), "")) <= SENTENCE, text
        return text
    return None


def copied(components: Path, kind: str, target: Path) -> tuple[Path, dict[str, Any]]:
    """A component's folder with the weights linked, and its config.json."""
    target.mkdir()
    (target / hub.WEIGHTS_FILE).symlink_to(components / kind / hub.WEIGHTS_FILE)
    return target, json.loads((components / kind / hub.CONFIG_FILE).read_text())


def test_every_kind_is_tried() -> None:
    assert set(CONFIGS) == set(hub.KINDS)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_wild_value_of_any_field_loads_nothing_large(
    kind: str, components: Path, tmp_path: Path
) -> None:
    folder, data = copied(components, kind, tmp_path / "c")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, first = 0, next(iter(data["config"]))
    for path in places(data["config"]):
        for value in (*WILD, *(LONG if path[-1] in (first, 0) else ())):
            wild = changed(data["config"], path, value)
            (folder / hub.CONFIG_FILE).write_text(json.dumps({**data, "config": wild}))
            refused += refusal(folder) is not None
    assert refused >= 10 * len(data["config"])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024, f"{grown} KiB"  # a million values in JSON are read first


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_part_of_another_form_is_refused(kind: str, components: Path, tmp_path: Path) -> None:
    folder, data = copied(components, kind, tmp_path / "c")
    for key in ("kind", "config", "card"):
        for value in (None, 3, [], [{}], "text", {"a": 1}, True):
            (folder / hub.CONFIG_FILE).write_text(json.dumps({**data, key: value}))
            assert refusal(folder) is not None, (key, value)
        (folder / hub.CONFIG_FILE).write_text(
            json.dumps({k: v for k, v in data.items() if k != key})
        )
        assert refusal(folder) is not None, key
    for value in (None, 3, [], {}):
        card = {**data["card"], "sha256": value}
        (folder / hub.CONFIG_FILE).write_text(json.dumps({**data, "card": card}))
        assert refusal(folder) is not None, value


def test_weights_of_another_configuration_are_named(components: Path, tmp_path: Path) -> None:
    folder, data = copied(components, "joint_unet", tmp_path / "c")
    data["config"]["channels"] = 32
    (folder / hub.CONFIG_FILE).write_text(json.dumps(data))
    text = refusal(folder)
    assert text and "misshapen (first: time_embed.0.weight (16, 16) instead of (32, 32)" in text


def test_the_largest_network_that_bounds_allow_is_never_made(
    components: Path, tmp_path: Path
) -> None:
    """Hundreds of gigabytes by the configuration; the file beside it has kilobytes."""
    folder, data = copied(components, "mmaudio", tmp_path / "c")
    data["config"] |= {"hidden_dim": 16_384, "depth": 128, "fused_depth": 1, "num_heads": 64}
    (folder / hub.CONFIG_FILE).write_text(json.dumps(data))
    text = refusal(folder)
    assert text and "does not fit the network" in text


def header(weights: Path) -> tuple[dict[str, Any], bytes]:
    data = weights.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(values: Any, body: bytes) -> bytes:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return struct.pack("<Q", len(text)) + text + body


def spoilt_weights(weights: Path) -> Iterator[tuple[str, bytes]]:
    values, body = header(weights)
    whole = weights.read_bytes()
    first, second = [key for key in values if key != "__metadata__"][:2]
    yield "empty", b""
    yield "seven bytes", whole[:7]
    yield "header longer than the file", struct.pack("<Q", 2**62) + whole[8:]
    yield "header of 200 MB", struct.pack("<Q", 200_000_000) + whole[8:]
    yield "header of no length", struct.pack("<Q", 0) + whole[8:]
    yield "no JSON", with_header(b"{" * 100, body)
    yield "deep JSON", with_header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, body)
    yield "a list", with_header([1, 2], body)
    yield "truncated", whole[: len(whole) // 2]
    yield "longer", whole + b"\0" * 8
    yield "missing key", with_header({k: v for k, v in values.items() if k != first}, body)
    yield "extra key", with_header({**values, "extra": values[first]}, body)
    overlap = {**values[second], "data_offsets": values[first]["data_offsets"]}
    yield "overlapping", with_header({**values, second: overlap}, body)
    for change in (
        {"data_offsets": [2**60, 2**60 + 4]},
        {"data_offsets": [8, 4]},
        {"data_offsets": [-8, 4]},
        {"dtype": "F99"},
        {"dtype": None},
        {"shape": [2**31, 2**31]},
        {"shape": [-1]},
        {"shape": "wide"},
        {"shape": [1, *values[first]["shape"]]},
    ):
        yield str(change), with_header({**values, first: {**values[first], **change}}, body)
    yield "a torch file", b"PK\3\4" + whole


def test_damaged_weights_are_refused(components: Path, tmp_path: Path) -> None:
    source = components / "istft_vocoder"
    folder = tmp_path / "c"
    folder.mkdir()
    data = json.loads((source / hub.CONFIG_FILE).read_text())
    data["card"]["sha256"] = ""  # so that the file itself has to be understood
    (folder / hub.CONFIG_FILE).write_text(json.dumps(data))
    weights = folder / hub.WEIGHTS_FILE
    weights.write_bytes((source / hub.WEIGHTS_FILE).read_bytes())
    assert refusal(folder) is None
    for name, content in spoilt_weights(source / hub.WEIGHTS_FILE):
        weights.write_bytes(content)
        assert refusal(folder) is not None, name


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(value: float, tmp_path: Path) -> None:
    model = hub.model_format("istft_vocoder").build(CONFIGS["istft_vocoder"])
    with torch.no_grad():
        model.head.weight[3, 2] = value
    hub.save_component(model, tmp_path / "c", "istft_vocoder", hub.Card("MIT", "a test"))
    text = refusal(tmp_path / "c")
    assert text and "must hold finite weights, got NaN or infinity in head.weight" in text


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_weights_of_another_number_format_are_named(dtype: torch.dtype, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = hub.model_format("istft_vocoder").build(CONFIGS["istft_vocoder"])
    folder = tmp_path / "c"
    hub.save_component(model, folder, "istft_vocoder", hub.Card("MIT", "a test"))
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state | {"head.bias": state["head.bias"].to(dtype)}, folder / hub.WEIGHTS_FILE)
    data = json.loads((folder / hub.CONFIG_FILE).read_text())
    data["card"]["sha256"] = ""
    (folder / hub.CONFIG_FILE).write_text(json.dumps(data))
    text = refusal(folder)
    assert text and f"head.bias must be torch.float32, got {dtype}" in text


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_loaded_network_computes_as_the_saved_one(kind: str, components: Path) -> None:
    """All its tensors are there and equal, those that no file holds among them."""
    torch.manual_seed(0)
    built = hub.model_format(kind).build(CONFIGS[kind])
    loaded, _ = hub.load_component(components / kind, kind)
    built.load_state_dict(loaded.state_dict())
    assert [type(m) for m in loaded.modules()] == [type(m) for m in built.modules()]
    for (name, a), (_, b) in zip(loaded.named_buffers(), built.named_buffers(), strict=True):
        assert not a.is_meta and torch.equal(a, b), name
    for (name, a), (_, b) in zip(loaded.named_parameters(), built.named_parameters(), strict=True):
        assert torch.equal(a, b) and a.requires_grad == b.requires_grad, name
        assert a.dtype == b.dtype and a.stride() == b.stride(), name


class NeedsValues(torch.nn.Module):
    """A network that cannot be laid out without memory, as somebody else's may be."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.line = torch.nn.Linear(3, 2)
        self.register_buffer("table", torch.arange(4.0).nonzero().float(), persistent=False)


class KeepsTensors(torch.nn.Module):
    """A network with tensors that are neither parameters nor in its state."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.line = torch.nn.Linear(3, 2)
        self.table = torch.arange(4.0)


@pytest.mark.parametrize("network", [NeedsValues, KeepsTensors])
def test_other_networks_load_too(network: Any, tmp_path: Path, monkeypatch: Any) -> None:
    spec = hub.ModelFormat("toy", griffin_lim.GriffinLimConfig, network, lambda arguments: None)
    monkeypatch.setattr(hub, "model_format", lambda kind: spec)
    model = network(griffin_lim.GriffinLimConfig())
    hub.save_component(model, tmp_path / "c", "toy", hub.Card("MIT", "a test"))
    loaded, _ = hub.load_component(tmp_path / "c")
    assert torch.equal(loaded.table, model.table) and not loaded.table.is_meta
    assert torch.equal(loaded.line.weight, model.line.weight)


def test_a_full_disk_leaves_the_last_component(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from savg import hub
from savg.errors import SavgError
from savg.models import istft_vocoder
model = hub.model_format("istft_vocoder").build(istft_vocoder.CONFIGS["tiny"])
folder = Path(sys.argv[1]) / "c"
hub.save_component(model, folder, "istft_vocoder", hub.Card("MIT", "first"))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    hub.save_component(model, folder, "istft_vocoder", hub.Card("MIT", "second"))
except SavgError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'c'} could not be written: File too large.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert hub.load_component(tmp_path / "c")[1].origin == "first"
