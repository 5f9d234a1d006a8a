"""Sets of clips in a stream: order, batches, bounded memory, failures, and a cache that saves work."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from savg.annotation import Boxes, SoundEvents
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation import read_ahead as module
from savg.evaluation.cache import Cache
from savg.evaluation.observe import Detectors, Failure, observe
from savg.evaluation.observers import GROUP, Observers, Source, observe_all, reference_of
from savg.features.base import Backbone
from savg.features.registry import BACKBONES
from savg.format import SAVGBENCH
from savg.metrics.base import Item, Metric, Need
from savg.tensor_files import save_tensors

FORMAT = SAVGBENCH.with_size(32).with_frames(4)
LOADED: list[str] = []
BATCHES: list[int] = []


def clip(level: int) -> Clip:
    """A grey clip with a tone at the right."""
    audio = np.zeros((2, FORMAT.samples), np.float32)
    audio[1] = 0.1 + level / 1000
    return Clip(np.full((4, 32, 32, 3), level, np.uint8), audio, FORMAT)


class CountingPersons:
    """A box as wide as the clip is bright; counts the clips it sees and refuses one."""

    def __init__(self, refuses: int = -1) -> None:
        self.seen, self.batches, self.refuses = 0, [], refuses

    def many(self, clips: Sequence[Clip]) -> list[Boxes]:
        self.batches.append(len(clips))
        self.seen += len(clips)
        levels = [int(clip.video[0, 0, 0, 0]) for clip in clips]
        if self.refuses in levels:
            raise SavgError(f"Brightness {self.refuses} is not seen.")
        return [Boxes([0, 1], [0, 0], [[0, 0, n, 9]] * 2, [0.9, 0.1]) for n in levels]

    def __call__(self, clip: Clip) -> Boxes:
        return self.many([clip])[0]


def sounds(clip: Clip) -> SoundEvents:
    return SoundEvents([0, 99], [0, 0], [float(clip.audio[1, 0]) * 100, 5.0])


def brightness(clip: Clip) -> np.ndarray:
    return np.array([clip.video.mean(), np.nan])


class Toy(Backbone):
    """Mean audio of a clip."""

    name, label, modality, batch = "toy", "toy", "audio", 3

    @classmethod
    def load(cls, source=None, device=None):
        LOADED.append(f"{source} {device}")
        return cls()

    @classmethod
    def missing(cls, source=None) -> str:
        return ""

    @property
    def provenance(self):
        return {"backbone": "toy", "sha256": "00", "input": "samples"}

    def __call__(self, clips):
        BATCHES.append(len(clips))
        return [np.full((1, 1, 2), clip.audio.mean(), np.float32) for clip in clips]


class Counting(Metric):
    """Needs everything that can be cached."""

    name, label = "counting", "counting"
    needs = frozenset({Need.PERSONS, Need.SOUNDS, Need.FEATURES})
    features: ClassVar[dict] = {"brightness": brightness}
    backbones = ("toy",)

    def compute(self):
        return self.undefined("It is a test.")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "toy", f"{__name__}:Toy")
    LOADED.clear()
    BATCHES.clear()


def observers(persons: CountingPersons | None = None, **settings) -> Observers:
    detectors = Detectors(persons or CountingPersons(), sounds, threshold=0.3)
    return Observers.for_metrics([Counting], detectors, **settings)


class Reads:
    """Sources of clips 1…n that count how often each is read."""

    def __init__(self, count: int, broken: Sequence[int] = ()) -> None:
        self.count, self.broken, self.read = count, broken, []

    def sources(self, keys: bool = True) -> list[Source]:
        return [
            Source(f"clip {n}", self._reader(n), f"key{n}" if keys else None)
            for n in range(1, self.count + 1)
        ]

    def _reader(self, n: int) -> Callable[[], Clip]:
        def read() -> Clip:
            self.read.append(n)
            if n in self.broken:
                raise SavgError(f"clip {n} is broken.")
            return clip(n)

        return read


def same(a: Item, b: Item) -> bool:
    one, two = a.observation, b.observation
    tables = (
        np.array_equal(one.boxes.xyxy, two.boxes.xyxy)
        and np.array_equal(one.boxes.scores, two.boxes.scores)
        and np.array_equal(one.candidates.xyxy, two.candidates.xyxy)
        and np.array_equal(one.events.x, two.events.x)
        and one.format == two.format
    )
    return tables and all(
        np.array_equal(one.features[name], two.features[name], equal_nan=True)
        and one.features[name].dtype == two.features[name].dtype
        for name in one.features | two.features
    )


def test_items_come_in_order_and_are_those_of_single_clips() -> None:
    reads, persons = Reads(19), CountingPersons()
    items = list(observe_all(reads.sources(), observers(persons)))
    assert [item.name for item in items] == [f"clip {n}" for n in range(1, 20)]
    assert reads.read == list(range(1, 20)) and persons.batches == [8, 8, 3]
    assert BATCHES == [3, 3, 2, 3, 3, 2, 3] and LOADED == ["None None"]
    for n, item in enumerate(items, 1):
        detectors = Detectors(CountingPersons(), sounds, threshold=0.3)
        alone = observe(clip(n), detectors, {"brightness": brightness})
        features = {**alone.features, "toy": Toy()([clip(n)])[0]}
        assert same(item, Item("", type(alone)(alone.events, alone.boxes, alone.format,
                                               alone.candidates, features)))  # fmt: skip
        assert item.clip is None and len(item.observation.boxes) == 1
        assert item.observation.events.frames.tolist() == [0]  # the other is after the end


def test_what_is_cached_is_neither_read_nor_computed(tmp_path: Path) -> None:
    cache, first, again = Cache(tmp_path), Reads(5), Reads(6)
    expected = list(observe_all(first.sources(), observers(), cache))
    persons = CountingPersons()
    BATCHES.clear()
    items = list(observe_all(again.sources(), observers(persons), cache))
    assert again.read == [6] and persons.seen == 1 and BATCHES == [1]
    assert all(map(same, expected, items)) and len(items) == 6
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]
    # Another threshold, another network: that part alone is computed.
    other = CountingPersons()
    other.provenance = {"sha256": "other"}
    BATCHES.clear()
    list(observe_all(Reads(6).sources(), observers(other), cache))
    assert other.seen == 6 and not BATCHES


def test_a_clip_that_is_wanted_itself_is_read_though_everything_is_cached(tmp_path: Path) -> None:
    list(observe_all(Reads(2).sources(), observers(), Cache(tmp_path)))
    reads, persons = Reads(2), CountingPersons()
    items = list(observe_all(reads.sources(), observers(persons, clips=True), Cache(tmp_path)))
    assert reads.read == [1, 2] and persons.seen == 0
    assert [item.clip.video[0, 0, 0, 0] for item in items] == [1, 2]


def test_an_interrupted_run_continues(tmp_path: Path) -> None:
    stream = observe_all(Reads(30).sources(), observers(), Cache(tmp_path))
    for _ in range(10):
        next(stream)
    stream.close()
    reads, persons = Reads(30), CountingPersons()
    items = list(observe_all(reads.sources(), observers(persons), Cache(tmp_path)))
    assert reads.read == list(range(17, 31)) and persons.seen == 14
    assert all(map(same, items, observe_all(Reads(30).sources(), observers())))


def test_another_audio_uses_the_cached_video(tmp_path: Path) -> None:
    list(observe_all(Reads(3).sources(), observers(), Cache(tmp_path)))
    persons = CountingPersons()
    louder = [
        Source(s.name, lambda n=n: clip(n + 50), f"loud {s.key}", s.key)
        for n, s in enumerate(Reads(3).sources(), 1)
    ]
    items = list(observe_all(louder, observers(persons), Cache(tmp_path)))
    assert persons.seen == 0
    assert [item.observation.boxes.xyxy[0, 2] for item in items] == [1, 2, 3]
    np.testing.assert_allclose(
        [item.observation.events.x[0] for item in items], [15.1, 15.2, 15.3], 1e-5
    )


@pytest.mark.parametrize("spoil", ["text", "nothing", "half", "other arrays", "one array less"])
def test_a_damaged_file_of_the_cache_is_computed_again(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = list(observe_all(Reads(1).sources(), observers(), Cache(tmp_path)))
    files = list((tmp_path / "key1").iterdir())
    assert len(files) == 5
    for file in files:
        whole = file.read_bytes()
        if spoil == "other arrays":
            save_tensors({n: torch.ones(3, dtype=torch.bool) for n in ("rows", "format")}, file)
        elif spoil == "one array less":
            save_tensors({"silent": torch.tensor(True)}, file)
        else:
            half = whole[: len(whole) // 2]
            file.write_bytes({"text": b"x", "nothing": b"", "half": half}[spoil])
        with caplog.at_level(logging.WARNING):
            items = list(observe_all(Reads(1).sources(), observers(), Cache(tmp_path)))
        assert f"{file} is damaged and is computed again" in caplog.text
        assert all(map(same, expected, items))
        caplog.clear()
        reads = Reads(1)
        list(observe_all(reads.sources(), observers(), Cache(tmp_path)))
        assert not reads.read and not caplog.text


def test_a_bad_clip_is_named_and_the_others_are_observed(tmp_path: Path) -> None:
    reads, persons = Reads(10, broken=[3]), CountingPersons(refuses=5)
    items = list(observe_all(reads.sources(), observers(persons), Cache(tmp_path)))
    assert [item.name for item in items] == [f"clip {n}" for n in range(1, 11)]
    failures = {item.name: item.reason for item in items if isinstance(item, Failure)}
    assert failures == {
        "clip 3": "clip 3 is broken.",
        "clip 5": "Brightness 5 is not seen.",
    }
    assert len(reference_of(items).features) == 8


def test_boxes_of_a_clip_without_persons_keep_their_column_of_scores(tmp_path: Path) -> None:
    def nobody(_: Clip) -> Boxes:
        return Boxes([], [], np.zeros((0, 4)), [])

    for cache in (None, Cache(tmp_path), Cache(tmp_path)):
        own = Observers(Detectors(nobody, sounds))
        (item,) = observe_all(Reads(1).sources(), own, cache)
        assert isinstance(item, Item) and len(item.observation.boxes) == 0
        assert item.observation.boxes.scores is not None


def test_few_clips_are_alive_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: set[int] = set()
    peaks = []

    def read(n: int) -> Clip:
        made = clip(n % 200)
        alive.add(n)
        weakref.finalize(made, alive.discard, n)
        peaks.append(len(alive))
        return made

    sources = (Source(str(n), lambda n=n: read(n)) for n in range(100))
    for _ in observe_all(sources, observers()):
        pass
    assert max(peaks) <= 2 * GROUP
    # Large clips wait one at a time.
    monkeypatch.setattr(module, "MAX_BYTES", 1)
    peaks.clear()
    gc.collect()
    sources = (Source(str(n), lambda n=n: read(n)) for n in range(40))
    for _ in observe_all(sources, observers(), group=1):
        pass
    assert max(peaks) <= 2


def test_errors_of_the_reader_s_thread_come_in_their_turn() -> None:
    def sources():
        yield from Reads(3).sources()
        raise ValueError("The list of clips is wrong.")

    stream = observe_all(sources(), observers(), group=2)
    assert [next(stream).name for _ in range(2)] == ["clip 1", "clip 2"]
    with pytest.raises(ValueError, match="list of clips is wrong"):
        list(stream)


def test_only_what_metrics_need_is_loaded() -> None:
    class Plain(Counting):
        needs = frozenset({Need.FEATURES})
        backbones = ()

    def load() -> Detectors:
        raise AssertionError("Nothing needs detectors.")

    ready = Observers.for_metrics([Plain], load)
    (item,) = observe_all(Reads(1).sources(), ready)
    assert set(item.observation.features) == {"brightness"} and not LOADED
    assert len(item.observation.events) == len(item.observation.boxes) == 0
    provenance = observers().provenance(Counting)
    assert list(provenance) == ["persons", "sounds", "toy"]
    assert provenance["toy"] == {"backbone": "toy", "sha256": "00", "input": "samples"}
    assert observers().provenance(Plain) == {}
