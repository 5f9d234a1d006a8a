"""The burnt-in overlay: positions and times of what is drawn, and that the audio is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savg.annotation import Alignment, Boxes, SoundEvents
from savg.audio.levels import level_difference_db
from savg.clip import Clip
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.spatial import MARGIN, spatial_av_align
from savg.viz import overlay, palette
from savg.viz.overlay import HEADER, layout, overlay_fps, overlay_frames, write_overlay
from savg.viz.timeline import timeline

ONE_SECOND = ClipFormat(frames=4)


def grey_clip(format: ClipFormat = ONE_SECOND, left: float = 0.4, right: float = 0.2) -> Clip:
    video = np.zeros((format.frames, format.size, format.size, 3), np.uint8)
    video[:, format.top : format.bottom] = 90
    tone = np.sin(2 * np.pi * 500 * np.arange(format.samples) / format.sample_rate)
    return Clip(video, np.stack([left * tone, right * tone]).astype(np.float32), format)


def events_at(*rows: tuple[int, int, float]) -> SoundEvents:
    frames, categories, x = zip(*rows, strict=True)
    return SoundEvents(np.array(frames), np.array(categories), np.array(x))


def distance(pixels: np.ndarray, colour: str) -> float:
    return float(np.abs(pixels.astype(int) - palette.rgb(colour)).max(axis=-1).mean())


def middle(image: np.ndarray) -> np.ndarray:
    """The upscaled picture without header, footer and the labels at its top and bottom."""
    return image[HEADER + 60 : HEADER + 300]


@pytest.mark.parametrize("margin", [MARGIN, 12])
def test_bands_are_as_wide_as_the_metric_is_tolerant(margin: float) -> None:
    events, boxes = events_at((0, 0, 128.0)), Boxes.empty()
    alignment = spatial_av_align(events, boxes, ONE_SECOND, margin)
    image = next(overlay_frames(grey_clip(), boxes, events, alignment))
    columns = np.flatnonzero((middle(image) != middle(image)[:, :1]).any(axis=(0, 2)))
    assert (columns.min(), columns.max()) == (
        round((128 - margin) * 2.5),
        round((128 + margin) * 2.5),
    )
    figure = timeline(grey_clip(), boxes, events, alignment)
    (band,) = [t for t in figure.data if t.type == "bar" and t.name.startswith("FN")]
    assert (band.base[0], band.y[0]) == (128 - margin, 2 * margin)


def test_events_and_boxes_are_on_screen_for_exactly_their_time() -> None:
    events = events_at((3, 0, 100.0))
    boxes = Boxes(np.array([2]), np.array([0]), np.array([[180.0, 80, 220, 170]]))
    images = list(overlay_frames(grey_clip(), boxes, events, Alignment(np.array([True]))))
    assert len(images) == 20 and overlay_fps(ONE_SECOND) == 20
    line, edge = round(100 * 2.5), round(180 * 2.5)
    sounding = [distance(middle(i)[:, line], palette.TRUE_POSITIVE) < 5 for i in images]
    boxed = [distance(middle(i)[20:200, edge], palette.PERSON) < 5 for i in images]
    assert np.flatnonzero(sounding).tolist() == [6, 7]
    assert np.flatnonzero(boxed).tolist() == [10, 11, 12, 13, 14]


def test_bands_span_forty_pixels_on_either_side() -> None:
    events = events_at((0, 1, 128.0))
    image = next(overlay_frames(grey_clip(), Boxes.empty(), events, Alignment(np.array([True]))))
    tinted = np.ptp(middle(image).astype(int), axis=-1).mean(axis=0) > 10
    columns = np.flatnonzero(tinted)
    assert (columns[0], columns[-1]) == (round(88 * 2.5), round(168 * 2.5))
    gaps = np.setdiff1d(np.arange(columns[0], columns[-1]), columns)
    assert np.abs(gaps - 128 * 2.5).max(initial=0) < 5  # the dark casing of the centre line


def test_judgements_differ_by_pattern_as_well_as_by_colour() -> None:
    events = events_at((0, 0, 60.0), (0, 1, 190.0))
    judged = Alignment(np.array([True, False]))
    image = middle(next(overlay_frames(grey_clip(), Boxes.empty(), events, judged)))
    even, hatched = image[:, 90 * 1 : 130], image[:, 395:455]
    assert even.std(axis=(0, 1)).max() < 3
    assert hatched.astype(float).std(axis=(0, 1)).max() > 20
    solid, dashed = image[:, 150], image[:, 475]
    assert distance(solid, palette.TRUE_POSITIVE) < 5
    on_line = np.abs(dashed.astype(int) - palette.rgb(palette.FALSE_NEGATIVE)).max(axis=-1) < 5
    assert 0.3 < on_line.mean() < 0.8


def test_sounds_outside_the_picture_are_labelled_at_its_edge() -> None:
    events = events_at((0, 0, -300.0), (0, 1, 400.0))
    judged = Alignment(np.array([False, False]))
    image = next(overlay_frames(grey_clip(), Boxes.empty(), events, judged))
    top = image[HEADER : HEADER + 60].astype(int)
    orange = np.abs(top - palette.rgb(palette.FALSE_NEGATIVE)).max(axis=-1) < 40
    assert orange[:, :80].any() and orange[:, -120:].any()


def test_black_rows_are_cut_off_but_never_picture() -> None:
    assert layout(grey_clip()).picture_height == 360
    square = np.full((4, 256, 256, 3), 120, np.uint8)
    full = Clip(square, grey_clip().audio, ONE_SECOND)
    assert layout(full).picture_height == 640
    noise = np.random.default_rng(0).integers(0, 40, square.shape).astype(np.uint8)
    assert layout(Clip(noise, grey_clip().audio, ONE_SECOND)).picture_height == 360
    with pytest.raises(ValueError, match="even number of pixels ≥ 320, got 201"):
        layout(full, 201)


def test_a_small_clip_is_drawn_in_the_same_places() -> None:
    small = grey_clip(ONE_SECOND.with_size(64))
    events = events_at((0, 0, 100.0))
    judged = Alignment(np.array([True]))
    image = next(overlay_frames(small, Boxes.empty(), events, judged))
    assert image.shape == (496, 640, 3)
    assert distance(middle(image)[:, 250], palette.TRUE_POSITIVE) < 5


def test_the_file_keeps_length_rate_and_level_difference(tmp_path: Path) -> None:
    clip = grey_clip(SAVGBENCH, 0.4, 0.4 * 10 ** (-1.5 / 20))
    path = tmp_path / "overlay.mp4"
    write_overlay(path, clip, Boxes.empty(), SoundEvents.empty(), Alignment(np.zeros(0, bool)))
    back = Clip.read(path, max_seconds=10)
    assert back.format.frames == SAVGBENCH.frames
    assert level_difference_db(back.audio) == pytest.approx(1.5, abs=0.1)
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames, stream.pix_fmt) == (20, 100, "yuv420p")
        assert container.streams.audio[0].channels == 2
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries) == (6, 1, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["overlay.mp4"]


def test_every_event_needs_a_judgement() -> None:
    with pytest.raises(ValueError, match="one judgement per sound event, got 0 for 1"):
        next(
            overlay_frames(
                grey_clip(), Boxes.empty(), events_at((0, 0, 1.0)), Alignment(np.zeros(0, bool))
            )
        )


def test_a_note_stands_behind_the_score_where_there_is_room() -> None:
    def header(note: str, width: int) -> np.ndarray:
        judged = Alignment(np.array([True]))
        frames = overlay_frames(
            grey_clip(), Boxes.empty(), events_at((0, 0, 9.0)), judged, width, note
        )
        return next(frames)[:HEADER]

    without, noted = header("", 640), header("21 px (9.1 deg) apart", 640)
    columns = np.flatnonzero((without != noted).any(axis=(0, 2)))
    assert columns.min() > 250 and columns.max() < 640 - 74
    assert np.array_equal(header("", 320), header("21 px (9.1 deg) apart", 320))


def test_labels_give_way_upwards() -> None:
    area, taken = (0, 50, 20, 60), [(15, 48, 30, 58), (0, 30, 9, 33)]
    assert overlay._free_area(area, [], 4) == area
    assert overlay._free_area(area, taken[:1], 4) == (0, 34, 20, 44)  # 38 … 48 touches it
    assert overlay._free_area(area, taken, 4) == (0, 34, 20, 44)
    assert overlay._free_area((0, 50, 14, 60), taken, 4) == (0, 50, 14, 60)
    full = [(0, 0, 99, 99)]
    assert overlay._free_area(area, full, 4) == area


def test_no_label_hides_another_and_no_shade_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people whose boxes end side by side, and two sounds whose bands overlap."""
    drawn: list[tuple[str, Any]] = []
    tag, shade = overlay._tag, overlay._shade
    monkeypatch.setattr(
        overlay,
        "_tag",
        lambda image, text, area, ink: drawn.append((text, area)) or tag(image, text, area, ink),
    )
    monkeypatch.setattr(
        overlay, "_shade", lambda *args: drawn.append(("shade", None)) or shade(*args)
    )
    xyxy = np.array([[60, 90, 100, 198], [44, 150, 78, 199], [62, 100, 99, 198]], float)
    boxes = Boxes(np.zeros(3, int), np.zeros(3, int), xyxy, np.array([0.4, 0.3, 0.9]))
    events = events_at((0, 0, 100.0), (0, 1, 110.0))
    frames = overlay_frames(grey_clip(), boxes, events, spatial_av_align(events, boxes))
    drawn.clear()
    next(frames)
    drawn = drawn[-7:]  # those of the frame, after those of the legend
    assert [name for name, _ in drawn] == [
        "shade", "shade", "TP speech", "TP instrument", "person 0.90", "person 0.40", "person 0.30"
    ]  # fmt: skip
    areas = [area for _, area in drawn[2:]]
    for i, (left, top, right, bottom) in enumerate(areas):
        for a, b, c, d in areas[:i]:
            assert right < a or c < left or bottom < b or d < top
