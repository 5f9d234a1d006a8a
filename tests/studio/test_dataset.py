"""The Dataset tab behind the page: which sets are allowed, filters, clips, statistics, errors."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import bench_sets
import cv2
import gradio as gr
import numpy as np
import pytest
import studio_fakes

from savg.annotation import ClipLabels
from savg.clip import Clip
from savg.data.bench_table import bench_table, expected_difference_db, read_report, within
from savg.data.savgbench import SavgBench, split_folder
from savg.errors import SavgError
from savg.format import SAVGBENCH
from savg.geometry import foa_gains, foa_rotation, foa_to_stereo
from savg.studio import build
from savg.studio.dataset.browser import PAGE, Browser, BrowserState
from savg.studio.dataset.selection import CATEGORIES, ORDERS, PLACES, Selection
from savg.studio.dataset.sets import Sets
from savg.studio.dataset.statistics import FIGURES, statistics
from savg.studio.shared.library import Library

COUNT = 45


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built set with both splits, a downloaded one with boxes, and a folder with neither."""
    root = tmp_path_factory.mktemp("sets")
    videos: dict[int, Path] = {}
    bench_sets.write_set(root / "built", COUNT, videos=videos)
    bench_sets.write_set(root / "built", 6, split="eval", videos=videos)
    bench_sets.write_set(root / "loaded", 8, built=False, boxes=True, videos=videos)
    (root / "nothing").mkdir()
    return root


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library")


@pytest.fixture
def browser(root: Path, library: Library) -> Browser:
    folders = [root / "built", root / "loaded", root / "nothing", root / "gone"]
    return Browser(library, Sets(folders))


def key(browser: Browser, title: str) -> str:
    return dict(browser.dataset_choices())[title]


def arrived(browser: Browser, title: str, **options: Any) -> dict[str, Any]:
    """What the page shows after choosing a dataset."""
    *_, last = browser.arrive(BrowserState(key(browser, title), **options))
    names = ("dataset", "split", "recording", "notice", "gallery", "player", "page", "name")
    return dict(zip((*names, "counted"), last, strict=True))


def update(values: list[Any]) -> dict[str, Any]:
    return dict(
        zip(("notice", "gallery", "player", "page", "name", "counted"), values, strict=True)
    )


def decoded_image(url: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_the_table_of_a_built_set_is_its_report(root: Path) -> None:
    bench = SavgBench(root / "built", "dev")
    table = bench_table(bench, read_report(bench))
    known = {r.name: r for r in bench_sets.clips(COUNT)}
    assert len(table) == COUNT and list(table.names) == sorted(known)
    for i, name in enumerate(table.names.tolist()):
        record = known[name]
        assert (table.views[i], table.starts[i]) == (record.view, record.start)
        assert table.x[i] == record.x and table.level_db[i] == record.level_db
        assert table.categories[i] == record.category


def test_without_a_report_the_labels_tell(root: Path) -> None:
    steps: list[tuple[int, int]] = []
    dev = SavgBench(root / "built", "dev")
    measured = bench_table(dev, None, lambda *step: steps.append(step))
    reported = bench_table(dev, read_report(dev))
    assert steps == [(0, COUNT)]
    np.testing.assert_allclose(measured.x, reported.x)
    np.testing.assert_allclose(measured.active, reported.active, atol=0.011)
    assert (measured.categories == reported.categories).all() and np.isnan(measured.level_db).all()


def test_the_expected_difference_is_that_of_a_decoded_plane_wave() -> None:
    for x in (0.0, 33.0, 128.0, 200.0, 256.0):
        azimuth = np.degrees(np.arctan((128.0 - x) / (128.0 / np.tan(np.radians(50.0)))))
        wave = foa_rotation(30.0) @ foa_gains(azimuth + 30.0)[:, None]
        left, right = foa_to_stereo(wave)[:, 0]
        assert expected_difference_db(x) == pytest.approx(20 * np.log10(left / right))


def test_views_wrap() -> None:
    views = np.array([0, 10, 180, 350, -1])
    assert within(views, 0, 10).tolist() == [True, True, False, True, False]
    assert within(views, 355, 5).tolist() == [True, False, False, True, False]
    assert within(views, 90, 180).all()


@pytest.mark.parametrize(
    ("selection", "keep"),
    [
        (Selection(), lambda r: True),
        (Selection(category="Instrument"), lambda r: r.category == 1),
        (Selection(category="Speech", place="Left"), lambda r: r.category == 0 and r.x < 256 / 3),
        (Selection(place="Right"), lambda r: r.x >= 512 / 3),
        (Selection(place="Centre"), lambda r: 256 / 3 <= r.x < 512 / 3),
        (Selection(search="ROOM2 deg270"), lambda r: "room2" in r.name and r.view == 90),
        (Selection(search="nobody"), lambda r: False),
        (Selection(recording="fold4_room1_mix002"), lambda r: r.name.startswith("fold4")),
        (Selection(towards=180.0, reach=20.0), lambda r: 160 <= r.view <= 200),
        (Selection(towards=350.0, reach=10.0), lambda r: r.view in (350, 0)),
        (Selection(category="__class__", place=None, order=[], reach="x"), lambda r: True),  # type: ignore[arg-type]
    ],
)
def test_filters(root: Path, selection: Selection, keep: Any) -> None:
    bench = SavgBench(root / "built", "dev")
    table = bench_table(bench, read_report(bench))
    expected = sorted(r.name for r in bench_sets.clips(COUNT) if keep(r))
    assert table.names[selection.rows(table)].tolist() == expected


@pytest.mark.parametrize("order", list(ORDERS))
def test_orders(root: Path, order: str) -> None:
    bench = SavgBench(root / "built", "dev")
    table = bench_table(bench, read_report(bench))
    ordered = table.select(Selection(order=order).rows(table))
    values = {
        "Name": ordered.names,
        "Left to right": ordered.x,
        "Loudest first": -ordered.level_db,
        "Quietest first": ordered.level_db,
        "Least sound first": ordered.active,
        "Sound and label disagree most": -np.abs(
            ordered.difference_db - expected_difference_db(ordered.x)
        ),
    }[order]
    assert (values[:-1] <= values[1:]).all() and len(ordered) == COUNT
    unknown = bench_table(bench)
    assert len(Selection(order=order).rows(unknown)) == COUNT


def test_all_choices_are_known() -> None:
    assert list(CATEGORIES) == ["All", "Speech", "Instrument"]
    assert list(PLACES) == ["All", "Left", "Centre", "Right"]


def test_the_sets_are_those_of_the_operator(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVG_DATA", f"{root / 'built'}:{root / 'loaded'}::{root / 'nothing'}")
    sets = Sets.of_environment()
    assert [c.title for c in sets.choices()] == ["built", "loaded", "nothing"]
    assert [list(c.splits) for c in sets.choices()] == [["dev", "eval"], ["dev"], []]
    monkeypatch.delenv("SAVG_DATA")
    assert not Sets.of_environment()
    above = Sets([root])
    assert [c.title for c in above.choices()] == ["built", "loaded"]
    own = Sets([root / "built" / split_folder("dev")])
    assert [c.title for c in own.choices()] == ["built"]
    for wrong in ("../../etc", str(root / "built"), None, ["x"], "0"):
        with pytest.raises(SavgError, match="not known"):
            sets.open(wrong, "dev")
    assert sets.open(sets.choices()[0].key, "../eval").split == "dev"


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    for place in ("first", "second"):
        (tmp_path / place / "clips" / split_folder("dev") / "video_dev").mkdir(parents=True)
    sets = Sets([tmp_path / "first" / "clips", tmp_path / "second" / "clips"])
    assert [c.title for c in sets.choices()] == ["clips in first", "clips in second"]


def test_a_set_is_read_anew_when_it_grows(tmp_path: Path) -> None:
    bench_sets.write_set(tmp_path / "a", 3, built=False)
    sets = Sets([tmp_path / "a"])
    (choice,) = sets.choices()
    first = sets.open(choice.key, "dev")
    assert sets.open(choice.key, "dev") is first and sets.is_open(choice.key, "dev")
    videos = first.bench.videos
    (videos / "fold3_room1_mix001_deg0_start999.mp4").write_bytes(b"")
    assert not sets.is_open(choice.key, "dev")
    assert len(sets.open(choice.key, "dev").table) == 4


def test_arriving_shows_the_first_page_and_clip(browser: Browser) -> None:
    shown = arrived(browser, "built")
    gallery, player = shown["gallery"], shown["player"]
    names = sorted(r.name for r in bench_sets.clips(COUNT))
    assert [c["name"] for c in gallery["clips"]] == names[:PAGE]
    assert (gallery["page"], gallery["pages"]) == (0, 3)
    assert gallery["words"] == "45 clips: 30 speech, 15 instrument"
    assert gallery["selected"] == shown["name"] == player["id"] == names[0]
    assert player["place"] == {"at": 1, "of": COUNT}
    assert not shown["notice"]["visible"]
    assert [c[1] for c in shown["split"]["choices"]] == ["dev", "eval"] and shown["split"][
        "visible"
    ]
    assert len(shown["recording"]["choices"]) == 4
    assert decoded_image(gallery["clips"][0]["image"]).shape == (108, 192, 3)


def test_a_clip_with_its_labels_panorama_and_facts(browser: Browser) -> None:
    record = next(r for r in bench_sets.clips(COUNT) if r.view == 190 and r.start % 10 == 0)
    value = update(browser.choose(BrowserState(key(browser, "built")), {"name": record.name}))[
        "player"
    ]
    annotation = value["annotation"]
    expected = bench_sets.labels_of(record)
    assert [e["frame"] for e in annotation["events"]] == expected.frames.tolist()
    assert {(e["x"], e["y"], e["matched"]) for e in annotation["events"]} == {
        (record.x, 80.0 + SAVGBENCH.top, None)
    }
    assert annotation["alignment"]["score"] is None and not value["judged"]
    focal = 128 / np.tan(np.radians(50))
    azimuth = 190 + np.degrees(np.arctan((128 - record.x) / focal))
    assert annotation["events"][0]["spot"][0] == pytest.approx((0.5 - azimuth / 360) % 1, abs=1e-3)
    assert decoded_image(value["panorama"]).shape == (320, 640, 3)
    facts = dict(value["facts"])
    assert facts["View"] == "−170°, 170° to the right" and facts["Start"].endswith(
        str(record.start)
    )
    assert json.loads(json.dumps(value)) is not None


def test_a_strip_where_there_is_no_panorama(browser: Browser) -> None:
    value = arrived(browser, "loaded")["player"]
    assert decoded_image(value["panorama"]).shape == (160, 640, 3)
    assert "among all directions" in value["caption"]
    assert all(0.2 < e["spot"][1] < 0.8 for e in value["annotation"]["events"])


def test_stored_boxes_judge_the_labels(browser: Browser) -> None:
    value = arrived(browser, "loaded")["player"]
    events, boxes = value["annotation"]["events"], value["annotation"]["boxes"]
    assert value["judged"] and len(boxes) == SAVGBENCH.frames
    assert all(e["matched"] is True for e in events)
    assert dict(value["facts"])["Spatial AV-Align"].startswith("1.00")


def test_what_the_browser_fetches_are_copies(browser: Browser, root: Path) -> None:
    value = arrived(browser, "built")["player"]
    served = value["video"].removeprefix("gradio_api/file=")
    assert Path(served).is_relative_to(browser.library.root)
    source = next((root / "built").rglob(f"{value['id']}.mp4"))
    assert Path(served).read_bytes() == source.read_bytes()
    assert str(root) not in json.dumps(value)
    names = [d["name"] for d in value["downloads"]]
    assert names == [f"{value['id']}.mp4", f"{value['id']}.csv"]


def test_a_codec_that_browsers_do_not_play_is_encoded_anew(
    tmp_path: Path, library: Library
) -> None:
    import av

    folder = tmp_path / "old" / split_folder("dev")
    (folder / "video_dev").mkdir(parents=True)
    path = folder / "video_dev" / "fold3_room1_mix001_deg0_start5.mp4"
    clip = studio_fakes.scene(0)
    with av.open(str(path), "w") as container:
        video, audio = (
            container.add_stream("mpeg4", rate=4),
            container.add_stream("aac", rate=16000),
        )
        video.width = video.height = 256
        video.pix_fmt, audio.layout = "yuv420p", "stereo"
        for frame in clip.video:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        sound = av.AudioFrame.from_ndarray(clip.audio, "fltp", "stereo")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux([*video.encode(None), *audio.encode(None)])
    browser = Browser(library, Sets([tmp_path / "old"]))
    shown = arrived(browser, "old")
    assert "no such text table" in shown["notice"]["value"]["text"]  # it has no labels
    served = shown["player"]["video"].removeprefix("gradio_api/file=")
    with av.open(served) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    np.testing.assert_allclose(Clip.read(served).audio, Clip.read(path).audio, atol=0.05)


def test_next_and_previous_follow_the_order_and_turn_the_page(browser: Browser) -> None:
    where, order = key(browser, "built"), Selection(order="Loudest first")
    names = [r.name for r in sorted(bench_sets.clips(COUNT), key=lambda r: -r.level_db)]
    now = update(browser.step(BrowserState(where, "dev", order, 0, names[PAGE - 1]), 1))
    assert now["name"] == names[PAGE] and now["page"] == 1
    assert now["gallery"]["clips"][0]["name"] == names[PAGE]
    assert now["player"]["place"] == {"at": PAGE + 1, "of": COUNT}
    back = update(browser.step(BrowserState(where, "dev", order, 1, names[PAGE]), -1))
    assert back["name"] == names[PAGE - 1] and back["page"] == 0
    for name, step in ((names[0], -1), (names[-1], 1)):
        end = browser.step(BrowserState(where, "dev", order, 0, name), step)
        assert end == [gr.skip()] * 6


def test_a_filter_keeps_the_open_clip_if_it_belongs(browser: Browser) -> None:
    where = key(browser, "built")
    speech = sorted(r.name for r in bench_sets.clips(COUNT) if r.category == 0)
    now = update(
        browser.refine(BrowserState(where, "dev", Selection(category="Speech"), 2, speech[25]))
    )
    assert now["name"] == speech[25] and now["page"] == 1
    assert now["player"]["place"] == {"at": 26, "of": 30}
    now = update(
        browser.refine(BrowserState(where, "dev", Selection(category="Instrument"), 0, speech[0]))
    )
    assert now["name"] != speech[0] and now["player"]["place"] == {"at": 1, "of": 15}
    none = update(browser.refine(BrowserState(where, "dev", Selection(search="zzz"), 0, speech[0])))
    assert none["gallery"]["clips"] == [] and none["gallery"]["empty"] and none["player"] is None


@pytest.mark.parametrize("page", [-5, 99, "x", None, 1])
def test_pages(browser: Browser, page: Any) -> None:
    now = update(browser.choose(BrowserState(key(browser, "built"), "dev"), {"page": page}))
    assert 0 <= now["page"] <= 2 and now["gallery"]["clips"]
    assert now["page"] == (1 if page == 1 else 2 if page == 99 else 0)


def test_statistics_are_those_of_the_filtered_clips(browser: Browser) -> None:
    shown = arrived(browser, "built", selection=Selection(category="Instrument"))
    heading, frame, *figures = statistics(browser.sets, shown["counted"], False)
    assert "15 of 45" in heading["words"] and frame["visible"]
    drawn = {n: f["value"] for n, f in zip(FIGURES, figures, strict=True)}
    assert {f["visible"] for f in figures} == {True}
    assert [t.name for t in drawn["positions"].data] == ["instrument"]
    assert sum(drawn["positions"].data[0].y) == 15 == sum(drawn["views"].data[0].r)
    assert sum(drawn["recordings"].data[0].x) == 15 == sum(drawn["levels"].data[0].y)
    kept = drawn["dropped"].data[0]
    assert kept.y[-1] == "kept" and kept.x[-1] == COUNT and kept.x[0] == 1500
    points, curve = drawn["sides"].data
    np.testing.assert_allclose(points.y, 0.8 * expected_difference_db(points.x), atol=0.01)
    np.testing.assert_allclose(curve.y, expected_difference_db(curve.x))


def test_statistics_without_a_report(browser: Browser) -> None:
    shown = arrived(browser, "loaded")
    heading, _, *figures = statistics(browser.sets, shown["counted"], True)
    visible = {n for n, f in zip(FIGURES, figures, strict=True) if f["visible"]}
    assert visible == {"recordings", "positions", "views"} and "built here" in heading["words"]
    for wrong in (None, "x", ["x", "dev", {}], [shown["counted"][0], "dev", {"no": 1}]):
        assert not statistics(browser.sets, wrong, False)[1]["visible"]


def message(values: Any) -> str:
    text = values["notice"]["value"]["text"]
    assert values["notice"]["visible"] and text.count("\n") == 0
    return text


def test_errors_are_one_sentence_without_the_servers_folders(
    browser: Browser, root: Path, tmp_path: Path, library: Library
) -> None:
    for title in ("nothing", "gone"):
        assert f"“{title}” holds no clips" in message(arrived(browser, title))
    where = key(browser, "built")
    text = message(
        update(browser.choose(BrowserState(where, "dev"), {"name": "../../../etc/passwd"}))
    )
    assert "not in the dataset" in text and str(root) not in text
    broken = tmp_path / "broken"
    bench_sets.write_set(broken, 2, videos={})
    videos = sorted(broken.rglob("*.mp4"))
    videos[0].write_bytes(b"nothing")
    tables = sorted(broken.rglob("*.csv"))
    tables[1].write_text("1,2\n")
    sets = Sets([broken])
    other = Browser(library, sets)
    shown = arrived(other, "broken")
    assert "not a video" in message(shown) and str(tmp_path) not in message(shown)
    assert shown["gallery"]["clips"][0]["image"] is None and shown["player"] is None
    second = update(
        other.choose(BrowserState(key(other, "broken"), "dev"), {"name": videos[1].stem})
    )
    assert "expected 4 columns" in message(second) and str(tmp_path) not in message(second)
    assert second["player"]["annotation"]["events"] == []
    (broken / "report.json").write_text("{")
    assert "report.json is not valid JSON" in message(arrived(other, "broken"))


def test_a_clip_goes_to_inspect(browser: Browser) -> None:
    shown = arrived(browser, "built")
    state = BrowserState(key(browser, "built"), "dev", name=shown["name"])
    clips, opened, tabs = browser.inspect(state, ["old"])
    assert clips == [opened, "old"] and tabs.selected == "inspect"
    assert browser.library[opened].title == shown["name"]
    assert browser.inspect(BrowserState(state.key, "dev", name="../x"), []) == [gr.skip()] * 3


def test_names_of_other_forms(tmp_path: Path, library: Library) -> None:
    folder = tmp_path / "odd" / split_folder("eval")
    (folder / "video_eval").mkdir(parents=True)
    name = "<b>my clip</b>"
    path = folder / "video_eval" / "own.mp4"
    studio_fakes.scene(0).write(path)
    path.rename(path.with_name("<b>my clip<b>.mp4"))
    table = ClipLabels([0], [0], [70.0], [80.0])  # type: ignore[arg-type]
    table.write_csv(folder / "metadata_eval" / "<b>my clip<b>.csv")
    sets = Sets([tmp_path / "odd"])
    shown = arrived(Browser(library, sets), "odd")
    assert name.replace("/", "") == shown["player"]["title"]
    assert shown["player"]["panorama"] is None and "does not tell" in shown["player"]["caption"]
    assert shown["gallery"]["clips"][0]["note"] == ""


def test_without_a_dataset_the_tab_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAVG_DATA", raising=False)
    config = json.dumps(build(studio_fakes.services()).blocks.get_config_file(), default=str)
    assert "dataset synth" in config and "dataset build" in config and "SAVG_DATA=clips" in config
    assert "savg-dataset-gallery" not in config


def test_the_commands_of_the_empty_state_exist() -> None:
    from savg.cli.dataset import build as build_command
    from savg.cli.dataset import synth

    page = Path(build_command.__file__).parents[2] / "studio" / "dataset" / "no_dataset.html"
    assert synth.HELP and build_command.HELP
    flags = set(re.findall(r"--[a-z]+", page.read_text()))
    assert flags == {"--out", "--recordings", "--seconds", "--starss"}


def test_the_page_knows_no_path(root: Path) -> None:
    studio = build(studio_fakes.services(), datasets=[root / "built"])
    assert str(root) not in json.dumps(studio.blocks.get_config_file(), default=str)
