"""Random access to frames: only what is needed is decoded, with the result of decoding everything."""

from fractions import Fraction

import av
import numpy as np
import pytest
from starss_takes import write_panorama

from savg.errors import MediaError
from savg.media.frame_index import frames_at, index_video

CODINGS = {
    "usual": {},
    "long": {"g": "600", "x264-params": "bframes=8:b-adapt=0"},
    "open gop": {"x264-params": "open-gop=1:keyint=24:bframes=3:b-pyramid=normal"},
    "no b": {"x264-params": "bframes=0:keyint=30"},
}


@pytest.fixture(scope="module", params=CODINGS)
def video_path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "video.mp4"
    write_panorama(path, 6.5, options=CODINGS[request.param])
    return path


def decode_everything(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [Fraction(frame.pts) * frame.time_base for frame in frames]
    return [time - times[0] for time in times], [f.to_ndarray(format="rgb24") for f in frames]


def shown(times, moment):
    """Index of the last frame that came by then; one that is a millisecond late counts."""
    return max(i for i, time in enumerate(times) if time <= moment + Fraction(1, 1000) or i == 0)


def test_frames_are_those_of_decoding_everything(video_path):
    times, images = decode_everything(video_path)
    rng = np.random.default_rng(0)
    requests = [
        [Fraction(k, 4) for k in range(26)],
        [Fraction(6), Fraction(1, 10), Fraction(1, 10)],
    ]
    requests += [[Fraction(int(m), 20) for m in rng.integers(0, 128, n)] for n in (1, 2, 5, 9)]
    video_index = index_video(video_path)
    assert video_index.seconds == pytest.approx(6.5, abs=0.04)
    for moments in requests:
        got = {
            index: frame.rgb(31, 97)
            for index, frame in frames_at(video_index, [float(m) for m in moments])
        }
        assert sorted(got) == list(range(len(moments)))
        for index, moment in enumerate(moments):
            expected = images[shown(times, moment)][31:97]
            np.testing.assert_array_equal(got[index], expected, err_msg=f"at {moment}")


def test_frames_come_in_order_of_time_and_the_last_one_stays(video_path):
    order = [index for index, _ in frames_at(video_path, [5.0, 1.0, 99.0, 0.0])]
    assert order == [3, 1, 0, 2]
    last = decode_everything(video_path)[1][-1]
    (_, frame), *_ = frames_at(video_path, [99.0])
    np.testing.assert_array_equal(frame.rgb(), last)
    assert frame.small(64, 32).shape == (32, 64, 3)


def test_only_the_stretches_around_requested_frames_are_decoded(video_path, monkeypatch):
    from savg.media import frame_index

    if not index_video(video_path).keys[1:].any():
        return
    decoded = []
    original = frame_index._decoded

    def counting(index, requests):
        for frame in original(index, requests):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(frame_index, "_decoded", counting)
    monkeypatch.setattr(frame_index, "_SEEK_PACKETS", 5)
    list(frames_at(video_path, [0.0, 5.9]))
    assert len(decoded) < 65


def test_a_video_that_begins_late_begins_at_its_first_frame(tmp_path):
    write_panorama(tmp_path / "video.mp4", 2.0)
    with (
        av.open(str(tmp_path / "video.mp4")) as source,
        av.open(str(tmp_path / "late.mkv"), "w") as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts += 90_000
                packet.dts += 90_000
                packet.stream = stream
                out.mux(packet)
    expected = {i: f.rgb() for i, f in frames_at(tmp_path / "video.mp4", [0.0, 1.0])}
    for index, frame in frames_at(tmp_path / "late.mkv", [0.0, 1.0]):
        np.testing.assert_array_equal(frame.rgb(), expected[index])


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_a_file_that_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"video\.mp4 is not a video"):
        index_video(path)


def test_a_video_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "video.mp4"
    write_panorama(path, 4.0)
    with (
        av.open(str(path)) as source,
        av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "+faststart"}) as out,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    whole = (tmp_path / "fast.mp4").read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(MediaError, match=r"video\.mp4"):
        list(frames_at(path, [0.0, 3.5]))


def test_frames_of_an_avi_are_found_though_its_reader_shifts_their_times(tmp_path):
    path = tmp_path / "video.avi"
    levels = [7 * number % 250 for number in range(200)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "g": "10"})
        stream.width = stream.height = 64
        for level in levels:
            image = np.full((64, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode(None))
    numbers = [0, 1, 10, 25, 150, 199]
    for index, frame in frames_at(path, [number / 25 for number in numbers]):
        assert abs(float(frame.rgb().mean()) - levels[numbers[index]]) < 3
