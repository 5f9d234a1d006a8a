"""Files whose time stamps start anew, jump or run over go on, frames and audio in step."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from odd_files import BURSTS, SECONDS, Frames, Track, flashes, joined, onsets, write_odd

from savg.clip import Clip
from savg.errors import MediaError
from savg.format import ClipFormat
from savg.media.audio_track import audio_of
from savg.media.frame_index import index_video
from savg.media.timeline import Timeline
from savg.video import Video

FINE = ClipFormat(frames=50, fps=50, size=32, picture_height=18)
WRAP = 2**33 / 90_000
"""Seconds after which the clock of MPEG-TS starts anew."""

TWICE = [*BURSTS, *(SECONDS + burst for burst in BURSTS)]
VIDEO, AUDIO = 0, 1


def check(path: Path, times: list[float], seconds: float) -> None:
    """Whether frames and audio come at `times`, in a clip, in a video and in its own audio."""
    clip = Clip.read(path, FINE, max_seconds=60)
    white, heard = flashes(clip.video, FINE.fps), onsets(clip.audio, FINE.sample_rate)
    assert white == pytest.approx(times, abs=0.06)
    assert heard == pytest.approx(white, abs=0.03)
    assert clip.format.seconds == pytest.approx(seconds, abs=0.1)
    own = audio_of(path, seconds)
    assert own is not None and onsets(own, 48_000) == pytest.approx(heard, abs=0.006)
    video = Video.read(path, FINE)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(white, abs=0.041)
    assert float(video.duration) == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("codec", ["mp2", "aac", "ac3"])
@pytest.mark.parametrize(
    "starts",
    [(0, 0), (500, 20), (3, 1000), (3, 22), (20_000, 0), (0, WRAP - 2), (WRAP - 2, 0)],
    ids=["anew", "back", "ahead", "a little ahead", "far back", "far ahead", "over the end"],
)
def test_recordings_one_after_the_other(tmp_path: Path, codec: str, starts) -> None:
    parts = [
        write_odd(tmp_path / f"{k}.ts", audio=Track(codec=codec), shift=start)
        for k, start in enumerate(starts)
    ]
    path = joined(tmp_path / "a.ts", *parts)
    check(path, TWICE, 2 * SECONDS)
    with pytest.raises(
        MediaError, match=r"has time stamps that jump: expected one recording|time of"
    ):
        index_video(path)


@pytest.mark.parametrize("codec", ["mp2", "aac"])
@pytest.mark.parametrize("before", [0.5, 1.5, 2.5])
def test_a_clock_that_runs_over(tmp_path: Path, codec: str, before: float) -> None:
    path = write_odd(tmp_path / "a.ts", audio=Track(codec=codec), shift=WRAP - before)
    check(path, list(BURSTS), SECONDS)


def test_three_recordings(tmp_path: Path) -> None:
    parts = [write_odd(tmp_path / f"{k}.ts", audio=Track(codec="mp2")) for k in range(3)]
    expected = [k * SECONDS + burst for k in range(3) for burst in BURSTS]
    check(joined(tmp_path / "a.ts", *parts), expected, 3 * SECONDS)


@pytest.mark.parametrize("start", [0, 100])
def test_silent_recordings(tmp_path: Path, start: float) -> None:
    parts = [write_odd(tmp_path / f"{k}.ts", audio=[], shift=k * start) for k in range(2)]
    video = Video.read(joined(tmp_path / "a.ts", *parts), FINE)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(TWICE, abs=0.06)
    assert float(video.duration) == pytest.approx(2 * SECONDS, abs=0.06)


@pytest.mark.parametrize("seconds", [3.3, 5.0])
def test_a_recording_whose_audio_ends_early_or_late(tmp_path: Path, seconds: float) -> None:
    parts = [
        write_odd(tmp_path / "0.ts", audio=Track(codec="mp2", seconds=seconds)),
        write_odd(tmp_path / "1.ts", audio=Track(codec="mp2")),
    ]
    second = max(seconds, SECONDS)
    expected = [*BURSTS, *(second + burst for burst in BURSTS)]
    check(joined(tmp_path / "a.ts", *parts), expected, second + SECONDS)


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4", ".flv"])
def test_a_jump_is_no_still_frame_for_a_minute(tmp_path: Path, suffix: str) -> None:
    codec = "libopus" if suffix == ".webm" else "aac"
    path = later_from(write_odd(tmp_path / f"a{suffix}", audio=Track(codec=codec)), 2.0, 50.0)
    video = Video.read(path, FINE)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(BURSTS, abs=0.06)
    assert float(video.duration) == pytest.approx(SECONDS, abs=0.06)
    own = audio_of(path, SECONDS)
    assert own is not None and onsets(own, 48_000) == pytest.approx(BURSTS, abs=0.03)


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4"])
def test_a_few_seconds_without_anything_stay(tmp_path: Path, suffix: str) -> None:
    path = later_from(write_odd(tmp_path / f"a{suffix}"), 1.5, 6.0)
    check(path, [1.0, 8.0, 9.0], SECONDS + 6.0)


def later_from(path: Path, second: float, by: float) -> Path:
    """The file with all its packets from a second on later."""
    target = path.with_stem("later")
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        start = source.start_time / 1e6
        for packet in source.demux():
            if not packet.size:
                continue
            ticks = round(by / packet.time_base)
            if packet.dts * packet.time_base - start >= second - 0.001:
                packet.pts += ticks
                packet.dts += ticks
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


def test_a_still_frame_for_long_stays_while_audio_runs(tmp_path: Path) -> None:
    frames = Frames((0.0, 1.0, 1.04, 14.0), (False, True, False, False))
    path = write_odd(tmp_path / "a.mkv", frames, Track(seconds=14.0, bursts=(1.0, 13.0)))
    clip = Clip.read(path, FINE, max_seconds=30)
    assert clip.format.seconds > 14
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx([1.0, 13.0], abs=0.006)
    quiet = Track(seconds=14.0, bursts=(1.0, 13.0), gaps=((1.1, 12.9),))
    own = audio_of(write_odd(tmp_path / "b.mkv", audio=quiet, frames=frames), 14.0)
    assert own is not None and len(onsets(own, 48_000)) == 2


def packet(stream: int, dts: float, length: float = 0.04, **options: Any) -> SimpleNamespace:
    """What the timeline sees of a packet, in milliseconds."""
    stamp = round(dts * 1000)
    return SimpleNamespace(
        stream=SimpleNamespace(index=stream, type="audio" if stream == AUDIO else "video"),
        dts=stamp,
        pts=stamp + 80,
        duration=round(length * 1000),
        time_base=Fraction(1, 1000),
        is_discard=False,
        size=1,
        **options,
    )


def placed(times: list[tuple[int, float]], discontinuous: bool = True) -> list[float]:
    """Decoding times on the timeline of packets (stream, decoding time)."""
    timeline, packets = Timeline(discontinuous), [packet(*pair) for pair in times]
    for number, each in enumerate(packets):
        timeline.place(each, lambda number=number: packets[number + 1 :])
        assert each.pts == each.dts + 80
    return [each.dts / 1000 for each in packets]


def test_a_single_wrong_time_stamp_moves_nothing_else() -> None:
    steady = [k * 0.04 for k in range(20)]
    for wrong in (5.0, 58.0):
        times = [*steady[:9], steady[9] + wrong, *steady[10:]]
        result = placed([(VIDEO, time) for time in times])
        np.testing.assert_allclose(result[10:], steady[10:], atol=0.002)


def test_streams_meet_again_whichever_jumps_first() -> None:
    before = [(s, k * 0.04) for k in range(25) for s in (VIDEO, AUDIO)]
    after = [(s, k * 0.04) for k in range(25) for s in (VIDEO, AUDIO)]
    late_tail = [
        *before[:-1],
        after[0],
        before[-1],
        *after[1:],
    ]  # audio of the first part comes late
    for times in (before + after, late_tail):
        result = placed(times)
        video = [t for t, (s, _) in zip(result, times, strict=True) if s == VIDEO]
        audio = [t for t, (s, _) in zip(result, times, strict=True) if s == AUDIO]
        np.testing.assert_allclose(video, [k * 0.04 for k in range(50)], atol=0.002)
        np.testing.assert_allclose(audio, video, atol=0.002)


def test_frames_alone_may_stay_for_long() -> None:
    slides = [(VIDEO, 0.0), (VIDEO, 30.0), (VIDEO, 60.0)]
    assert placed(slides, discontinuous=False) == [0.0, 30.0, 60.0]
    running = [(AUDIO, k * 0.04) for k in range(600)]
    times = sorted([*slides[:1], (VIDEO, 20.0), *running], key=lambda pair: pair[1])
    assert placed(times) == pytest.approx([time for _, time in times])


def test_a_frame_with_a_wrong_time_of_its_own_is_shown_in_order(tmp_path: Path) -> None:
    path = write_odd(tmp_path / "a.mkv", Frames.steady(), [])
    target = tmp_path / "b.ts"
    with av.open(str(path)) as source, av.open(str(target), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, each in enumerate(p for p in source.demux(video=0) if p.size):
            if number == 10:
                each.pts += 30_000
            each.stream = stream
            out.mux(each)
    video = Video.read(target, FINE)
    assert float(video.duration) == pytest.approx(SECONDS, abs=0.05)
    assert flashes(video.frames, float(video.fps)) == pytest.approx(BURSTS, abs=0.05)


def test_parts_that_overlap_a_little_stay_in_step() -> None:
    """One stream goes back by less than a jump's least step, the other by more, in either order."""
    video = [(VIDEO, k * 0.04) for k in range(100)]
    audio = [(AUDIO, k * 0.04) for k in range(102)]
    before = sorted([*video, *audio], key=lambda pair: pair[1])
    after = [(stream, 3.9 + time) for stream, time in before]
    turned = [after[1], after[0], *after[2:]]
    for part in (after, turned):
        times = [*before, *part]
        result = placed(times)
        shifts = {
            round(place - time, 3)
            for place, (_, time) in zip(result[len(before) :], part, strict=True)
        }
        assert len(shifts) == 1
        assert shifts.pop() == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("codec", ["mp2", "aac", "ac3", "libopus"])
@pytest.mark.parametrize("start", [0.0, 500.0])
def test_frames_follow_without_a_pause(tmp_path: Path, codec: str, start: float) -> None:
    parts = [
        write_odd(tmp_path / f"{k}.ts", audio=Track(codec=codec), shift=k * start) for k in range(2)
    ]
    path = joined(tmp_path / "a.ts", *parts)
    clip = Clip.read(path, FINE, max_seconds=60)
    assert flashes(clip.video, FINE.fps) == pytest.approx(TWICE, abs=0.021)
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx(TWICE, abs=0.03)


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".mp4", ".webm"])
def test_a_clip_is_not_too_long_by_a_jump_alone(tmp_path: Path, suffix: str) -> None:
    codec = "libopus" if suffix == ".webm" else "aac"
    path = later_from(write_odd(tmp_path / f"a{suffix}", audio=Track(codec=codec)), 2.5, 70.0)
    clip = Clip.read(path, FINE, max_seconds=30)
    assert clip.format.seconds == pytest.approx(SECONDS, abs=0.1)
    assert onsets(clip.audio, FINE.sample_rate) == pytest.approx(BURSTS, abs=0.03)
    frames = Frames((0.0, 1.0, 70.0), (False, True, False), last=1.0)
    still = write_odd(tmp_path / f"b{suffix}", frames, Track(codec=codec, seconds=70.0))
    with pytest.raises(MediaError, match=r"lasts 7\d s: expected a clip of at most 30 s"):
        Clip.read(still, FINE, max_seconds=30)


def test_a_stream_that_appears_midway_stops_no_reader(tmp_path: Path) -> None:
    """Where a file of Flash ends in the middle of its data, libavformat adds streams at the end."""
    data = write_odd(tmp_path / "a.flv").read_bytes()
    path, stopped = tmp_path / "b.flv", 0
    for percent in range(68, 90):
        path.write_bytes(data[: len(data) * percent // 100])
        stopped += stops_pyav(path)
        with contextlib.suppress(MediaError):
            video = Video.read(path, FINE)
            assert flashes(video.frames, float(video.fps))[:2] == pytest.approx([1, 2], abs=0.06)
    assert stopped


def stops_pyav(path: Path) -> bool:
    try:
        with av.open(str(path)) as container:
            for _ in container.demux(container.streams.video[0]):
                pass
    except IndexError:
        return True
    except av.FFmpegError:
        pass
    return False
