"""Checkpoints and zips by strangers: damaged, encrypted, inflated, with code in them."""

from __future__ import annotations

import os
import pickle
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from savg import hub
from savg.cli import main
from savg.cli import weights as weights_command
from savg.errors import CheckpointError
from savg.hub import published_files
from savg.models import istft_vocoder

CONFIG = istft_vocoder.CONFIGS["tiny"]
KIND = "istft_vocoder"


@pytest.fixture(autouse=True)
def tiny_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(istft_vocoder.FORMAT, from_published=lambda published: CONFIG)
    monkeypatch.setattr(istft_vocoder, "FORMAT", small)


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return istft_vocoder.IstftVocoder(CONFIG).state_dict()


def refusal(path: Path) -> str | None:
    try:
        hub.load_official(KIND, path)
    except CheckpointError as error:
        text = str(error)
        assert str(path) in text and text.endswith(".") and "\n" not in text
        assert len(text.replace(str(path), "")) <= 400, text
        return text
    return None


@pytest.mark.parametrize("legacy", [True, False])
def test_damaged_files_load_or_are_refused(legacy: bool, tmp_path: Path) -> None:
    """Flipped bits, cut ends and exchanged parts, with a fixed seed."""
    path = tmp_path / "m.pt"
    torch.save(state(), path, _use_new_zipfile_serialization=not legacy)
    assert refusal(path) is None
    good = path.read_bytes()
    draw = random.Random(7)
    pickled = good.find(b"ccollections") if legacy else good.find(b"data.pkl")
    refused = 0
    for case in range(120):
        data = bytearray(good)
        # most of the file is numbers, which may be any: half of the flips go to the pickle
        first, last = (pickled, pickled + 4000) if case % 2 else (0, len(good))
        for _ in range(draw.choice((1, 1, 3, 20))):
            place = draw.randrange(first, min(last, len(good)))
            data[place] ^= 1 << draw.randrange(8)
        if case % 10 == 3:
            del data[draw.randrange(len(data)) :]
        path.write_bytes(data)
        refused += refusal(path) is not None
    assert refused > 40


class Code:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("call", [os.system, exec, eval, open, __import__])
def test_no_code_runs(call: Any, legacy: bool, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    argument = {os.system: "touch pwned", open: "pwned", __import__: "this"}.get(
        call, "open('pwned', 'w')"
    )
    arguments = (argument, "w") if call is open else (argument,)
    path = tmp_path / "m.pt"
    torch.save({"a": Code(call, *arguments)}, path, _use_new_zipfile_serialization=not legacy)
    assert refusal(path) is not None
    path.write_bytes(pickle.dumps({"a": Code(call, *arguments)}))
    assert refusal(path) is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.pt"]


def deep() -> Any:
    value: Any = {}
    for _ in range(300):
        value = {"model": value}
    return value


ODD: dict[str, Callable[[], Any]] = {
    "expanded": lambda: state() | {"head.bias": torch.zeros(1).expand(10**6, 10**6)},
    "one storage many times": lambda: dict.fromkeys(map(str, range(100)), torch.zeros(10_000)),
    "sparse": lambda: {"a": torch.eye(3).to_sparse()},
    "meta": lambda: {"a": torch.empty(10**6, 10**6, device="meta")},
    "quantised": lambda: {"a": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)},
    "nested": lambda: {"a": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])},
    "complex": lambda: state() | {"head.bias": state()["head.bias"].to(torch.complex64)},
    "integers": lambda: {key: value.to(torch.int32) for key, value in state().items()},
    "not finite": lambda: state() | {"head.bias": state()["head.bias"] * float("nan")},
    "no names": lambda: dict(enumerate(state().values())),
    "names of bytes": lambda: {b"a": torch.zeros(1)},
    "long names": lambda: {"x" * 100_000: torch.zeros(1)},
    "no tensors": lambda: dict.fromkeys(state(), 3.0),
    "a list of states": lambda: [state()],
    "deep": deep,
    "nothing": lambda: None,
    "no state": dict,
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_state_of_the_network_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    torch.save(ODD[name](), path)
    assert refusal(path) is not None


def test_tensors_of_one_storage_and_other_layouts_load(tmp_path: Path) -> None:
    """What ordinary files hold: halves, parameters, views of a larger tensor, transposed ones."""
    path = tmp_path / "m.pt"
    values = state()
    bias = torch.cat([values["head.bias"], torch.zeros(7)])[: len(values["head.bias"])]
    weight = values["head.weight"].t().contiguous().t()
    changed = values | {"head.bias": torch.nn.Parameter(bias), "head.weight": weight}
    torch.save({key: value for key, value in changed.items()}, path)
    loaded = hub.load_official(KIND, path).state_dict()
    assert all(torch.equal(loaded[key], values[key]) for key in values)
    assert loaded["head.weight"].is_contiguous()
    torch.save({key: value.half() for key, value in values.items()}, path)
    loaded = hub.load_official(KIND, path).state_dict()
    assert all(torch.equal(loaded[key], values[key].half().float()) for key in values)


def test_a_compressed_checkpoint_is_refused_before_it_unpacks(tmp_path: Path) -> None:
    torch.save(state() | {"zeros": torch.zeros(8 * 2**20)}, tmp_path / "plain.pt")
    small = tmp_path / "small.pt"
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as source,
        zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            target.writestr(member.filename, source.read(member), zipfile.ZIP_DEFLATED)
    assert small.stat().st_size < 10**6
    assert "must not be compressed" in str(refusal(small))


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkpoint under the only released name."""
    for module in (weights_command, published_files):
        monkeypatch.setattr(module, "PUBLISHED_FILES", {"toy.pt": KIND})
    (tmp_path / "files").mkdir()
    path = tmp_path / "files" / "toy.pt"
    torch.save(state(), path)
    return path


def encrypted(archive: Path) -> None:
    """The mark of encryption on every member."""
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 4)
    archive.write_bytes(data)


def packed(archive: Path, *names: str | zipfile.ZipInfo, content: bytes, how: int = 0) -> Path:
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(archive, "w", how) as file:
        warnings.simplefilter("ignore")  # of names that come twice, which is meant
        for name in names:
            file.writestr(name, content, how)
    return archive


def imported(archive: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["weights", "import", str(archive), "--out", str(out)])
    error = capsys.readouterr().err
    if code:
        assert error.startswith(f"error: {archive}") and error.count("\n") == 1 and len(error) < 600
        assert not (out / KIND).exists()
    return code, error


@pytest.mark.parametrize(
    "name",
    [
        "toy.pt", "weights/toy.pt", "weights\\toy.pt", "C:\\weights\\toy.pt", "/etc/toy.pt",
        "../../toy.pt", "..\\..\\toy.pt",
    ],
)  # fmt: skip
def test_a_member_is_imported_under_its_own_name_only(
    name: str, released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = packed(tmp_path / "files" / "a.zip", name, content=released.read_bytes())
    out = tmp_path / "out"
    assert imported(archive, out, capsys)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files", "out"]
    assert hub.load_component(out / KIND, KIND)[1].origin == "toy.pt"


def test_zips_that_cannot_be_unpacked_get_one_sentence(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, archive, out = released.read_bytes(), tmp_path / "files" / "a.zip", tmp_path / "out"
    link = zipfile.ZipInfo("toy.pt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    damaged = bytearray(packed(archive, "toy.pt", content=content).read_bytes())
    damaged[2000] ^= 1
    cases: list[tuple[str, Callable[[], Any]]] = [
        ("it is encrypted", lambda: encrypted(packed(archive, "toy.pt", content=content))),
        ("toy.pt is damaged", lambda: archive.write_bytes(damaged)),
        ("is not a zip file", lambda: archive.write_bytes(damaged[:3000])),
        ("is not a zip file", lambda: archive.write_bytes(b"")),
        ("got it twice", lambda: packed(archive, "toy.pt", "a/toy.pt", content=content)),
        ("must be a file, got a link", lambda: packed(archive, link, content=b"/etc/passwd")),
        ("must hold one of", lambda: packed(archive, "x" * 60_000, content=b"")),
        ("must hold one of", lambda: packed(archive, content=b"")),
        ("must unpack to at most 20 times", lambda: packed(
            archive, "toy.pt", content=bytes(100 * 2**20), how=zipfile.ZIP_DEFLATED)),
        ("not a checkpoint", lambda: packed(archive, "toy.pt", content=b"")),
    ]  # fmt: skip
    for expected, make in cases:
        make()
        code, error = imported(archive, out, capsys) if expected != "not a checkpoint" else (1, "")
        assert code == 1 and (expected in error or not error), (expected, error)
    assert main(["weights", "import", str(archive), "--out", str(out)]) == 1
    assert "not a checkpoint" in capsys.readouterr().err
    assert not out.exists()


def test_a_member_cannot_be_larger_than_it_says(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A declared size of 10 bytes, and of 2⁶² bytes, for the same data."""
    archive = tmp_path / "files" / "a.zip"
    packed(archive, "toy.pt", content=bytes(10**6), how=zipfile.ZIP_DEFLATED)
    good = archive.read_bytes()
    place = good.find(b"PK\1\2")
    for size in (10, 2**32 - 2):
        data = bytearray(good)
        data[place + 24 : place + 28] = struct.pack("<L", size)
        archive.write_bytes(data)
        code, error = imported(archive, tmp_path / "out", capsys)
        assert code == 1 and "toy.pt" in error


def test_one_bad_file_does_not_stop_the_others(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_text("no")
    out = tmp_path / "out"
    assert main(["weights", "import", str(bad), str(released), "--out", str(out)]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("error: ") == 1 and f"{KIND}: {out / KIND}" in printed.out
    assert hub.load_component(out / KIND, KIND)[1].origin == "toy.pt"
