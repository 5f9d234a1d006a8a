"""HDR video as SDR screens show it."""

from __future__ import annotations

import threading

import av
import numpy as np
import pytest

from savg.media import hdr
from savg.media.colour import to_rgb
from savg.media.frame_index import frames_at
from savg.media.frames import frame_at
from savg.media.mux import with_audio

WIDTH, HEIGHT = 600, 64
PQ_CODE = {0.1: 0.0623, 1: 0.1499, 10: 0.2997, 50: 0.4403, 100: 0.5081, 203: 0.5807, 1000: 0.7518}
"""cd/m² → PQ's signal, as BT.2408 and other tables give it."""


def hdr_frame(codes: list[tuple[float, float, float]], transfer: int, primaries: int = 9):  # type: ignore[no-untyped-def]
    """A 10-bit frame, limited range, of columns of R'G'B' in 0..1, coded with BT.2020's matrix."""
    rgb = np.array(codes)
    luma = rgb @ [0.2627, 0.6780, 0.0593]
    planes = (
        64 + 876 * luma,
        512 + 896 * (rgb[:, 2] - luma) / 1.8814,
        512 + 896 * (rgb[:, 0] - luma) / 1.4746,
    )
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : plane.width] = np.repeat(np.round(values), plane.width // len(codes)).astype(
            np.uint16
        )
        plane.update(rows.tobytes())
    frame.color_trc, frame.color_primaries = transfer, primaries
    frame.colorspace, frame.color_range = 9, 1
    return frame


def columns(image: np.ndarray, count: int) -> np.ndarray:
    """The colours in the middle of columns."""
    step = WIDTH // count
    return image[HEIGHT // 2, step // 2 :: step].astype(int)


def greys(transfer: int, codes: list[float]) -> np.ndarray:
    frame = hdr_frame([(code, code, code) for code in codes], transfer)
    shown = columns(to_rgb(frame), len(codes))
    assert np.abs(shown - shown[:, :1]).max() <= 1
    return shown[:, 1]


def test_light_below_the_knee_keeps_its_brightness() -> None:
    """As the transfer of BT.1886 codes it on a screen whose white is 203 cd/m²."""
    light = np.array([1.0, 10, 50])
    shown = greys(hdr.PQ, [PQ_CODE[value] for value in light])
    assert np.abs(shown - 255 * (light / 203) ** (1 / 2.4)).max() <= 1.5


def test_highlights_are_compressed_not_clipped() -> None:
    """BT.2390's curve between 90 and 1,000 cd/m²: 203 become 159 of 203 cd/m²."""
    shown = greys(hdr.PQ, [PQ_CODE[100], PQ_CODE[203], 0.65, PQ_CODE[1000], 1.0])
    assert (np.diff(shown[:4]) > 0).all() and shown[3] == shown[4] == 255
    assert shown[1] == pytest.approx(255 * (159.5 / 203) ** (1 / 2.4), abs=2)


def test_dark_pq_and_hlg_agree_with_ffmpegs_own_conversion() -> None:
    for transfer, codes in ((hdr.PQ, [0.1, 0.2, 0.3, 0.4]), (hdr.HLG, [0.05, 0.1, 0.2, 0.4])):
        frame = hdr_frame([(code, code, code) for code in codes], transfer)
        theirs = frame.to_ndarray(format="rgb24", dst_color_trc=1, dst_color_primaries=1)
        assert np.abs(greys(transfer, codes) - columns(theirs, len(codes))[:, 1]).max() <= 2


def test_colours_become_bt709s() -> None:
    """Reds of BT.709 coded in BT.2020 come out as reds; half of HLG's signal is well below the knee."""
    to_2020 = np.linalg.inv(hdr._TO_BT709[9])
    light = np.array([[60.0, 5, 5], [5, 60, 5], [5, 5, 60]])
    codes = hdr._pq_codes(light @ to_2020.T)
    shown = columns(to_rgb(hdr_frame([tuple(row) for row in codes], hdr.PQ)), 3)
    assert np.abs(shown - 255 * (light / 203) ** (1 / 2.4)).max() <= 5


def test_published_values_of_the_transfers() -> None:
    for light, code in PQ_CODE.items():
        assert float(hdr._pq_codes(np.array(light))) == pytest.approx(code, abs=2e-4)
        assert float(hdr._pq_light(np.array(code))) == pytest.approx(light, rel=5e-3)
    white = hdr._hlg_light(np.array([[0.75, 0.75, 0.75], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))
    assert white[:, 0] == pytest.approx([203, 1000, 0], abs=0.5)


def test_the_table_is_interpolated() -> None:
    rng = np.random.default_rng(0)
    codes = np.repeat(rng.random((60, 80, 1)), 3, axis=2)
    frame = av.VideoFrame.from_ndarray(np.round(codes * 65535).astype(np.uint16), "rgb48le")
    shown = hdr.tone_map(frame, hdr.HLG, 9)
    assert np.abs(shown - 255 * hdr.sdr_colours(codes, hdr.HLG, 9)).max() <= 1.6


def test_threads_and_sizes_do_not_meet() -> None:
    def frames() -> list:  # type: ignore[type-arg]
        own = [hdr_frame([(code, code, code)], hdr.PQ) for code in (0.2, 0.4)]
        return [*own, own[0].reformat(width=320, height=32)]

    expected = [to_rgb(frame) for frame in frames()]
    results: list[bool] = []

    def work() -> None:
        own = frames()
        for _ in range(5):
            for frame, image in zip(own, expected, strict=True):
                results.append(bool((to_rgb(frame) == image).all()))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 30 and all(results)


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_a_file_is_read_and_written_as_sdr(tmp_path, transfer) -> None:
    path = tmp_path / "a.mkv"
    codes = [(0.2, 0.2, 0.2), (0.45, 0.45, 0.45), (0.5, 0.3, 0.3), (0.3, 0.5, 0.3)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, 9
        context.colorspace, context.color_range = 9, 1
        for _ in range(3):
            container.mux(stream.encode(hdr_frame(codes, transfer)))
        container.mux(stream.encode(None))
    expected = columns(to_rgb(hdr_frame(codes, transfer)), 4)
    np.testing.assert_array_equal(columns(frame_at(path, 0), 4), expected)
    np.testing.assert_array_equal(columns(next(frames_at(path, [0.0]))[1].rgb(), 4), expected)
    assert with_audio(path, tmp_path / "b.mp4", np.zeros((2, 4_800), np.float32), 16_000) is False
    with av.open(str(tmp_path / "b.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.color_trc, frame.color_primaries) == (1, 1)
    assert np.abs(columns(frame_at(tmp_path / "b.mp4", 0), 4) - expected).max() <= 5
