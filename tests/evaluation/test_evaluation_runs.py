"""A whole evaluation with detectors that are no networks: sets, rows beside, provenance, warnings."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studio_fakes

import savg.detectors
from savg.annotation import Boxes
from savg.cli import main
from savg.clip import Clip
from savg.evaluation import official
from savg.evaluation.results_file import read_run
from savg.evaluation.selection import SETS
from savg.features.base import Backbone
from savg.features.registry import BACKBONES, backbone_class
from savg.format import SAVGBENCH
from savg.metrics.base import Metric, MetricResult, Need
from savg.metrics.registry import METRICS
from tests.videos import make_video

FORMAT = SAVGBENCH.with_frames(4)
SPATIAL = "spatial_av_align"
PLAIN = ("--metrics", SPATIAL)
SEEN: list[str] = []


class Persons:
    """The stand-in's persons, counted."""

    provenance = {"detector": "by colour", "sha256": "11"}  # noqa: RUF012

    def __call__(self, clip: Clip) -> Boxes:
        SEEN.append("persons")
        return studio_fakes.find_persons(clip)


def sounds(clip: Clip) -> Any:
    SEEN.append("sounds")
    return studio_fakes.find_sounds(clip)


class Bright(Backbone):
    """Mean brightness of a clip."""

    name, label, modality = "bright", "brightness", "video"
    weights = True

    @classmethod
    def load(cls, source=None, device=None):
        return cls()

    @classmethod
    def missing(cls, source=None) -> str:
        return "" if cls.weights else f"Its weights are not in {source}: import them first."

    @property
    def provenance(self):
        return {"backbone": "bright", "sha256": "22", "input": "frames"}

    def __call__(self, clips):
        SEEN.extend(["bright"] * len(clips))
        return [np.full((1, 1), clip.video.mean(), np.float32) for clip in clips]


class Distance(Metric):
    """Difference of the mean brightness of two sets."""

    name, label = "distance", "distance"
    needs = frozenset({Need.FEATURES, Need.REFERENCE})
    backbones = ("bright",)
    least_clips = 2

    def compute(self):
        ours = np.mean([item.observation.features["bright"] for item in self.items])
        theirs = np.mean(self.reference.values("bright"))
        return MetricResult(self.name, float(abs(ours - theirs)), n=len(self.items))


class Paired(Distance):
    """Needs pairs."""

    name, label = "paired", "paired"
    needs = frozenset({Need.FEATURES, Need.REFERENCE, Need.PAIRS})


@pytest.fixture(autouse=True)
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(savg.detectors, "person_detector", lambda name, source, **_: Persons())
    monkeypatch.setattr(savg.detectors, "sound_detector", lambda name, source, **_: sounds)
    monkeypatch.setitem(BACKBONES, "bright", f"{__name__}:Bright")
    for name, where in (("distance", "Distance"), ("paired", "Paired")):
        monkeypatch.setitem(METRICS, name, f"{__name__}:{where}")
    monkeypatch.setattr(Bright, "weights", True)
    SEEN.clear()


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, int, int], Path]:
    """Writes clips of seeds into a folder, encoded once."""
    store = tmp_path_factory.mktemp("clips")

    def write(folder: Path, first: int, count: int, name: str = "seed0_{:04d}") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + count):
            made = store / f"{seed}.mp4"
            if not made.exists():
                studio_fakes.scene(seed, FORMAT).write(made)
            (folder / f"{name.format(seed - first)}.mp4").write_bytes(made.read_bytes())
        return folder

    return write


@pytest.fixture
def sets(tmp_path: Path, clips) -> tuple[Path, Path]:
    return clips(tmp_path / "generated", 0, 4), clips(tmp_path / "reference", 10, 4)


def evaluate(capsys, *arguments: object, code: int = 0) -> tuple[Any, str]:
    """The printed JSON, and standard error."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json"]) == code
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err


def sentence(capsys, *arguments: object) -> str:
    """The one sentence of a command that refuses before it observes anything."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments)]) == 1
    printed = capsys.readouterr()
    assert not SEEN and not printed.out
    (line,) = [one for one in printed.err.splitlines() if not one.startswith("warning: ")]
    assert line.startswith("error: ")
    return line


def test_all_sets_are_scored_and_written(sets, tmp_path: Path, capsys) -> None:
    generated, reference = sets
    board, out = tmp_path / "board.json", tmp_path / "out"
    names = ("--metrics", SPATIAL, "pan_spread", "distance", "nearest_clip", "ild")
    data, _ = evaluate(
        capsys, "--generated", generated, "--reference", reference, *names, "--out", out,
        "--leaderboard", board, "--name", "mine", "--seed", 3,
    )  # fmt: skip
    assert list(data["sets"]) == ["generated", "reference", "centre", "boxes"]
    metrics = {key: value["metrics"] for key, value in data["sets"].items()}
    assert set(metrics["generated"]) == set(names[1:])
    assert set(metrics["reference"]) == {SPATIAL, "pan_spread", "ild"}
    assert metrics["centre"]["pan_spread"]["value"] == pytest.approx(0, abs=1e-6)
    assert metrics["boxes"][SPATIAL]["value"] >= metrics["centre"][SPATIAL]["value"]
    # The videos of trivial baselines are those of the generated clips.
    assert metrics["centre"]["distance"]["value"] == metrics["generated"]["distance"]["value"] > 0
    assert SEEN.count("persons") == SEEN.count("bright") == 4 + 4
    assert SEEN.count("sounds") == 4 + 4 + 4 + 4
    notes = metrics["generated"]["distance"]["notes"]
    assert notes["mode"] == "standard"
    assert notes["networks"] == {
        "bright": {"backbone": "bright", "sha256": "22", "input": "frames"}
    }
    assert set(metrics["generated"][SPATIAL]["notes"]["networks"]) == {"persons", "sounds"}
    about = data["run"]
    assert set(about["networks"]) == {"persons", "sounds", "bright"}
    assert (about["name"], about["seed"], about["mode"]) == ("mine", 3, "standard")
    assert about["generated"] == str(generated) and about["reference"] == str(reference)
    assert about["reading"]["fps"] == 4 and about["reading"]["sample_rate"] == 16_000
    assert [len(data["each"]), *map(len, data["each_by_set"].values())] == [4, 4, 4, 4]
    files = {path.name for path in out.iterdir()}
    assert files >= {"results.json", "clips.csv", "frames.csv", "report.md", "report.tex",
                     "report.html", "nearest"}  # fmt: skip
    assert read_run(out).to_json() == data and len(data["nearest"]) == 4
    with (out / "frames.csv").open(newline="") as stream:
        frames = list(csv.DictReader(stream))
    assert {row["clip"] for row in frames} == {f"seed0_{n:04d}" for n in range(4)}
    assert len(frames) == 4 * FORMAT.label_frames
    assert len(json.loads(board.read_text())) == 1


def test_a_second_run_reads_no_clip_and_gives_the_same(
    sets, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, reference = sets
    cache = ("--cache", tmp_path / "cache")
    both = ("--generated", generated, "--reference", reference, "--metrics", SPATIAL, "distance")
    first, _ = evaluate(capsys, *both, *cache)
    SEEN.clear()
    monkeypatch.setattr(Clip, "read", lambda *_, **__: pytest.fail("A clip was read."))
    second, _ = evaluate(capsys, *both, *cache)
    assert not SEEN
    for key in ("sets", "each", "each_by_set"):
        assert first[key] == second[key]
    # Renamed files, and another order, are the same clips.
    for path in generated.iterdir():
        path.rename(generated / f"renamed {path.name}")
    third, _ = evaluate(capsys, *both, *cache)
    ours, theirs = (d["sets"]["generated"]["metrics"]["distance"] for d in (first, third))
    assert ours["value"] == theirs["value"] and not SEEN


def test_without_a_cache_nothing_stays_and_baselines_are_a_choice(
    sets, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, _ = evaluate(capsys, sets[0], *PLAIN, "--no-cache", "--no-baselines")
    assert list(data["sets"]) == ["generated"] and not (tmp_path / "cache").exists()
    evaluate(capsys, sets[0], *PLAIN, "--no-baselines")
    assert len(list((tmp_path / "cache" / "savg" / "observations").iterdir())) == 4


def test_reading_changes_the_clips_and_their_place_in_the_cache(
    sets, tmp_path: Path, capsys
) -> None:
    options = ("--fps", 2, "--sample-rate", 8000, "--seconds", 0.5)
    quick = (*PLAIN, "--no-baselines", "--cache", tmp_path / "cache")
    short, _ = evaluate(capsys, sets[0], *quick, *options)
    whole, _ = evaluate(capsys, sets[0], *quick)
    assert short["run"]["reading"]["fps"] == 2 and short["run"]["reading"]["seconds"] == 0.5
    assert len(list((tmp_path / "cache").iterdir())) == 8
    count = [sum(row["tp"] + row["fn"] for row in data["each"]) for data in (short, whole)]
    assert count[0] < count[1]


def test_a_bad_clip_of_either_set_is_named(sets, capsys) -> None:
    generated, reference = sets
    (generated / "a.mp4").write_text("no video")
    (reference / "b.mp4").write_text("no video")
    data, err = evaluate(
        capsys, generated, "--reference", reference, "--metrics", SPATIAL, "distance", code=1
    )
    failed = [(row["clip"], row["set"]) for row in data["failed"]]
    assert failed == [("a", "generated"), ("b", "reference")]
    assert data["sets"]["generated"]["clips"] == data["sets"]["centre"]["clips"] == 4
    assert "2 of 10 clips could not be evaluated" in err and "Traceback" not in err
    for file in reference.glob("*.mp4"):
        file.write_bytes(b"no video")
    SEEN.clear()
    options = ("--reference", reference, "--metrics", "distance", "--no-cache")
    assert main(["evaluate", *map(str, (generated, *options))]) == 1
    words = capsys.readouterr().err.splitlines()[-1]
    assert f"error: {reference} has no clip to compare with: " in words and "b.mp4" in words
    assert not SEEN, "before the generated clips are observed"


def test_oddities_are_said_before_long_work(sets, clips, capsys) -> None:
    generated, reference = sets
    (generated / "copy.mp4").write_bytes((generated / "seed0_0001.mp4").read_bytes())
    (reference / "taken.mp4").write_bytes((generated / "seed0_0002.mp4").read_bytes())
    (reference / "more.mp4").write_bytes((reference / "seed0_0000.mp4").read_bytes())
    data, err = evaluate(capsys, generated, "--reference", reference, *PLAIN)
    assert data["warnings"] == [
        f"copy and seed0_0001 in {generated} are the same file.",
        f"more and seed0_0000 in {reference} are the same file.",
        "seed0_0002 is in the reference set too, byte for byte.",
        f"The sets have unequal numbers of clips: 5 in {generated}, 6 in {reference}.",
    ]
    assert all(f"warning: {line}" in err for line in data["warnings"])


def test_silence_is_said_and_a_set_without_audio_is_refused(sets, tmp_path: Path, capsys) -> None:
    clip = studio_fakes.scene(1, FORMAT)
    Clip(clip.video, np.zeros_like(clip.audio), FORMAT).write(sets[0] / "quiet.mp4")
    data, _ = evaluate(capsys, sets[0], *PLAIN, "--no-baselines")
    assert data["warnings"] == ["quiet has an audio track of silence alone."]
    mute = tmp_path / "mute"
    mute.mkdir()
    make_video(mute / "a.mkv", seconds=1.0, audio=False)
    SEEN.clear()
    words = sentence(capsys, mute)
    assert "has an audio track: an evaluation needs videos with sound, or --silent-ok to" in words
    data, _ = evaluate(capsys, mute, *PLAIN, "--no-baselines", "--silent-ok")
    assert "No audio: read as silent. (a in" in data["warnings"][0]
    assert data["each"][0]["audio_note"] == "No audio: read as silent."


@pytest.mark.parametrize(
    "arguments, words",
    [
        (
            ["--metrics", "fvdd"],
            r"error: 'fvdd' is no metric\. Did you mean fvd( or .*)?\? `python -m",
        ),
        (["--metrics", "FVD"], r"'FVD' is no metric\. Did you mean fvd( or .*)?\?"),
        (
            ["--metrics", "qqqqq"],
            r"'qqqqq' is no metric\. `python -m savg evaluate --help` and docs",
        ),
        (["--metrics", "distance"], r"distance needs a reference set \(--reference DIR\)"),
        (["--metrics", "person_ap50"], r"person_ap50 needs true tables \(--truth DIR\)"),
        (["--metrics", "paired"], r"paired needs reference clips of the same names \(--reference"),
        (["--seconds", "0"], "--seconds must be in 0..60 and > 0, got 0"),
        (["--fps", "0"], "--fps must be a whole number in 1..240, got 0"),
        (["--fps", "1000000"], "--fps must be a whole number in 1..240, got 1000000"),
        (["--sample-rate", "1"], r"--sample-rate must be a whole number in 8000..192000, got 1\."),
        (["--networks", "nowhere"], "--networks nowhere: expected a folder"),
        (["--seld-csv", "nowhere"], "nowhere: no such folder"),
        (["--generated", "x"], "given once: as DIR or as --generated"),
        (["--selftest", "4"], "DIR does not go with --selftest"),
        (["--truth", "nowhere"], "nowhere: no such folder"),
        (["--reference", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_arguments_get_one_sentence(sets, capsys, arguments, words) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(sets[0].parent)
        error = sentence(capsys, sets[0], *arguments)
    import re

    assert re.search(words, error), error


def test_metrics_that_cannot_be_computed_are_refused_by_name_and_left_out_of_all(
    sets, clips, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, reference = sets
    others = clips(tmp_path / "others", 20, 2, "other {}")
    words = sentence(capsys, generated, "--reference", others, "--metrics", "paired")
    assert "paired needs pairs: no clip in" in words and "others has the name of one in" in words
    (reference / "seed0_0003.mp4").unlink()
    words = sentence(capsys, generated, "--reference", reference, "--metrics", "paired")
    assert f"{reference} has no clip named seed0_0003." in words
    single = clips(tmp_path / "single", 30, 1)
    words = sentence(capsys, single, "--reference", reference, "--metrics", "distance")
    assert f"distance needs at least 2 clips, {single} has 1." in words
    monkeypatch.setattr(Bright, "weights", False)
    networks = ("--networks", tmp_path)
    words = sentence(
        capsys, generated, "--reference", reference, "--metrics", "distance", *networks
    )
    assert words.endswith(f"distance cannot be computed: Its weights are not in {tmp_path}: import "
                          "them first.")  # fmt: skip
    data, err = evaluate(
        capsys, generated, "--reference", reference, "--metrics", "all", "--no-baselines", *networks
    )
    assert "distance" not in data["sets"]["generated"]["metrics"]
    assert (
        f"left out: The metric distance cannot be computed: Its weights are not in {tmp_path}"
        in err
    )
    assert "left out: The metric speech_f_score needs true tables (--truth DIR)." in err
    assert "The metric paired cannot be computed" in err and len(data["warnings"]) == 1
    assert data["run"]["left_out"]["distance"].startswith("The metric distance cannot")


def test_an_output_that_cannot_be_written_is_refused_first(sets, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    words = sentence(capsys, sets[0], "--out", tmp_path / "file")
    assert "--out must be a folder" in words
    words = sentence(capsys, sets[0], "--leaderboard", tmp_path)
    assert "--leaderboard must be a file" in words
    (tmp_path / "other.json").write_text("{}")
    words = sentence(capsys, sets[0], "--leaderboard", tmp_path / "other.json")
    assert "must hold a list of at most" in words


def test_official_numbers_rest_on_official_features_alone(
    sets, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def features(generated, reference, wanted, *_: object, cache: object = None):
        rng = np.random.default_rng(0)
        shapes = {"i3d": (3, 4), "audioclip": (1, 3, 4)}
        return tuple(
            official.OfficialSet(
                {p.stem: {name: rng.normal(size=shapes[name]) for name in wanted} for p in files},
                {},
            )
            for files in (generated, reference)
        )

    monkeypatch.setattr(official, "official_features", features)
    monkeypatch.setattr(
        official, "official_provenance", lambda name, _: {"backbone": f"official {name}"}
    )
    for name in ("i3d", "audioclip", "vggish"):
        monkeypatch.setattr(backbone_class(name), "missing", classmethod(lambda *_: ""))
    both = (sets[0], "--reference", sets[1], "--mode", "official", "--metrics")
    words = sentence(capsys, *both, "favd")
    assert "favd has no official form: the published evaluator does not have vggish." in words
    data, _ = evaluate(capsys, *both, SPATIAL, "fvd", "fad-audioclip", "distance")
    assert data["run"]["mode"] == "official"
    rows = {key: set(one["metrics"]) for key, one in data["sets"].items()}
    assert rows["generated"] == {SPATIAL, "fvd", "fad-audioclip", "distance"}
    assert rows["centre"] == rows["boxes"] == {SPATIAL, "fvd", "distance"}  # other audio
    modes = {name: r["notes"]["mode"] for name, r in data["sets"]["generated"]["metrics"].items()}
    assert modes.pop("distance") == "standard", "it rests on whole clips"
    assert set(modes.values()) == {"official"}
    for name, backbone in (("fvd", "i3d"), ("fad-audioclip", "audioclip")):
        result = data["sets"]["generated"]["metrics"][name]
        assert result["value"] is not None
        assert result["notes"]["networks"] == {backbone: {"backbone": f"official {backbone}"}}
    monkeypatch.setattr(backbone_class("audioclip"), "missing", classmethod(lambda *_: "Not here."))
    data, err = evaluate(capsys, *both[:-1], "--no-baselines")
    assert set(data["sets"]["generated"]["metrics"]) == {*SETS["savgbench"]} - {"fad-audioclip"}
    assert set(data["run"]["left_out"]) == {"fad-audioclip"}
    assert "left out: The metric fad-audioclip cannot be computed: Not here." in err


@pytest.mark.parametrize(
    "option, rows, words",
    [
        ("--seld-csv", [f"{f},0,{x}" for f, x in enumerate((-40, 10, 35))], "x .*: got -40 … 35"),
        ("--seld-csv", ["0,0,960.5", "1,1,200"], r"x .*: got 200 … 960\.5"),
        ("--detection-csv", ["0,0,900,200,1100,600"], "x .*: got 900 … 1100"),
        ("--detection-csv", ["0,0,100,500,120,700"], "y .*: got 500 … 700"),
        ("--detection-csv", ["0,0,0.2,0.1,0.4,0.9"], r"corners .*: got 0\.1 … 0\.9"),
    ],
)
def test_official_tables_in_other_units_are_refused(
    sets, tmp_path: Path, capsys, option, rows, words
) -> None:
    import re

    folder = tmp_path / "tables"
    folder.mkdir()
    for n in range(4):
        (folder / f"seed0_{n:04d}.csv").write_text("\n".join(rows) if n == 1 else "")
    error = sentence(capsys, sets[0], option, folder, *PLAIN)
    assert re.match(f"error: {option}: {folder} must have {words}\\.$", error), error
    assert "pixels of a frame 256 wide" in error


def test_a_few_events_off_the_screen_are_allowed(sets, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for n in range(4):
        rows = [f"{f % 10},0,{x}" for f, x in enumerate([-16, 272, -30, *range(0, 250, 10)])]
        (folder / f"seed0_{n:04d}.csv").write_text("\n".join(rows))
    data, _ = evaluate(capsys, sets[0], *PLAIN, "--no-baselines", "--seld-csv", folder)
    assert data["sets"]["generated"]["metrics"][SPATIAL]["value"] is not None


def test_missing_true_tables_are_told_before_clips_are_observed(
    sets, tmp_path: Path, capsys
) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    words = sentence(capsys, sets[0], "--truth", truth)
    assert words == (
        f"error: --truth {truth} lacks tables of 4 of 4 clips: seed0_0000.csv, seed0_0000.boxes.csv, "
        "seed0_0001.csv, seed0_0001.boxes.csv …."
    )
    for n in range(4):
        (truth / f"SEED0_{n:04d}.csv").write_text("0,0,100,70\n")
        (truth / f"seed0_{n:04d}.boxes.csv").write_text("0,0,90,60,110,190\n")
    names = ("--metrics", "speech_f_score", "--no-baselines")
    data, _ = evaluate(capsys, sets[0], "--truth", truth, *names)
    assert data["warnings"] == []
    (truth / "seed0_0002.boxes.csv").unlink()
    data, err = evaluate(capsys, sets[0], "--truth", truth, *names, code=1)
    told = f"--truth {truth} lacks tables of 1 of 4 clips: seed0_0002.boxes.csv."
    assert data["warnings"] == [told] and err.startswith(f"warning: {told}\n")


def test_positive_degrees_are_doubted(sets, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for n in range(4):
        rows = "".join(f"{frame},0,{10 * n + frame}\n" for frame in range(10))
        (folder / f"seed0_{n:04d}.csv").write_text(rows)
    data, err = evaluate(capsys, sets[0], *PLAIN, "--no-baselines", "--seld-csv", folder)
    (told,) = data["warnings"]
    assert "x of all 40 rows" in told and "is 0 … 39" in told and f"warning: {told}" in err
    (folder / "seed0_0003.csv").write_text("0,0,200\n")
    data, _ = evaluate(capsys, sets[0], *PLAIN, "--no-baselines", "--seld-csv", folder)
    assert data["warnings"] == []
    for n in range(4):
        rows = "".join(f"{frame},0,{frame / 20}\n" for frame in range(10))
        (folder / f"seed0_{n:04d}.csv").write_text(rows)
    words = sentence(capsys, sets[0], *PLAIN, "--seld-csv", folder)
    assert "--seld-csv" in words and "shares of it" in words


def test_official_tables_stand_for_the_detectors(sets, tmp_path: Path, capsys) -> None:
    folders = [tmp_path / "seld", tmp_path / "boxes"]
    for folder in folders:
        folder.mkdir()
    for n in range(4):
        (folders[0] / f"seed0_{n:04d}.csv").write_text(f"0,0,{100 if n else 20}\n5,1,100\n")
        (folders[1] / f"seed0_{n:04d}.csv").write_text("0,0,90,60,110,190\n2,0,90,60,110,190\n")
    options = ("--seld-csv", folders[0], "--detection-csv", folders[1])
    data, _ = evaluate(capsys, sets[0], *PLAIN, *options)
    result = data["sets"]["generated"]["metrics"][SPATIAL]
    assert (result["notes"]["tp"], result["notes"]["fn"], result["value"]) == (7, 1, 7 / 8)
    assert result["notes"]["networks"]["sounds"] == {"tables": str(folders[0])}
    assert not SEEN and list(data["sets"]) == ["generated"]
    words = sentence(capsys, *PLAIN, *options, "--reference", sets[1])
    assert "--reference goes with videos" in words
    alone, _ = evaluate(capsys, *PLAIN, *options)
    assert alone["sets"]["generated"]["metrics"][SPATIAL]["value"] == 7 / 8
    truth = tmp_path / "truth"
    truth.mkdir()
    for n in range(3):
        (truth / f"seed0_{n:04d}.csv").write_text("".join(f"{f},0,128,0\n" for f in range(31)))
        (truth / f"seed0_{n:04d}.boxes.csv").write_text("0,0,90,60,110,190\n")
    data, err = evaluate(
        capsys, "--metrics", "seld_f", "person_ap50", *options, "--truth", truth, code=1
    )
    assert "lacks tables of 1 of 4 clips" in err
    assert set(data["sets"]["generated"]["metrics"]) == {"seld_f", "person_ap50"}
    assert data["sets"]["generated"]["metrics"]["seld_f"]["n"] == 3
    assert [row["clip"] for row in data["failed"]] == ["seed0_0003"]
    (folders[0] / "seed0_0001.csv").write_text("30,0,5\n")
    data, _ = evaluate(capsys, sets[0], *PLAIN, *options, code=1)
    assert [row["clip"] for row in data["failed"]] == ["seed0_0001"]
    (folders[1] / "seed0_0002.csv").unlink()
    words = sentence(capsys, sets[0], *options)
    assert f"--detection-csv: {folders[1]} has no seed0_0002.csv" in words
