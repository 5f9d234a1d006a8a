"""HDR frames (PQ and HLG of ITU-R BT.2100) tone-mapped to what SDR screens show.

Light above the knee of ITU-R BT.2390's curve is compressed from 1,000 cd/m² to SDR white at 203 cd/m²
(ITU-R BT.2408), by one factor for the three channels, so that hues stay; primaries become BT.709's and
the transfer that of ITU-R BT.1886.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Array = NDArray[np.float64]

PQ, HLG = 16, 18
"""Numbers of ITU-T H.273 of the transfers."""

PEAK, WHITE = 1000.0, 203.0
"""cd/m² of the brightest light that is told apart, and of SDR white."""

_LEVEL = 8
"""Of the colour table: 64 entries a channel, between which FFmpeg interpolates."""

_TO_BT709 = {
    9: (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    ),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
    1: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
"""Linear RGB of primaries (BT.2020, Display P3, BT.709) → BT.709's."""

_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593])

_local = threading.local()


def is_hdr(frame: Any) -> bool:
    """Whether a decoded frame is coded in PQ or HLG."""
    return frame.color_trc in (PQ, HLG)


def tone_map(frame: Any, transfer: int, primaries: int) -> Frame:
    """An HDR frame of PyAV's in rgb48le → RGB uint8 [height, width, 3] for SDR screens."""
    key = frame.width, frame.height, transfer, primaries
    mapper = getattr(_local, "mapper", None)
    if mapper is None or mapper.key != key:
        mapper = _local.mapper = _Mapper(key)
    return mapper.map(frame)


def sdr_colours(codes: Array, transfer: int, primaries: int) -> Array:
    """HDR signal [..., 3] in 0..1 → SDR signal [..., 3] in 0..1."""
    light = _pq_light(codes) if transfer == PQ else _hlg_light(codes)
    light = light * _compression(light.max(axis=-1, keepdims=True))
    matrix = np.array(_TO_BT709.get(primaries, _TO_BT709[9]))
    return np.clip(light @ matrix.T / WHITE, 0.0, 1.0) ** (1 / 2.4)


class _Mapper:
    """FFmpeg's interpolation in a colour table, for frames of one size."""

    def __init__(self, key: tuple[int, int, int, int]) -> None:
        import av

        self.key, self._count = key, 0
        width, height, transfer, primaries = key
        table = _table(transfer, primaries)
        graph = av.filter.Graph()
        self._source = _buffer(graph, width, height)
        colours = _buffer(graph, *table.shape[1::-1])
        mapped = graph.add("haldclut", "clut=first")
        out = graph.add("format", "rgb24")
        self._sink: Any = graph.add("buffersink")
        self._source.link_to(mapped, 0, 0)
        colours.link_to(mapped, 0, 1)
        mapped.link_to(out)
        out.link_to(self._sink)
        graph.configure()
        self._graph = graph
        colours.push(self._timed(av.VideoFrame.from_ndarray(table, "rgb48le"), 0))
        colours.push(None)

    def map(self, frame: Any) -> Frame:
        """The next frame, tone-mapped."""
        self._source.push(self._timed(frame, self._count))
        self._count += 1
        return np.asarray(self._sink.pull().to_ndarray(), np.uint8)

    @staticmethod
    def _timed(frame: Any, number: int) -> Any:
        frame.pts, frame.time_base = number, Fraction(1, 1000)
        return frame


def _buffer(graph: Any, width: int, height: int) -> Any:
    return graph.add_buffer(
        width=width, height=height, format="rgb48le", time_base=Fraction(1, 1000)
    )


@lru_cache(maxsize=4)
def _table(transfer: int, primaries: int) -> NDArray[np.uint16]:
    """A Hald colour table: the SDR colours of a grid of HDR colours, red fastest, as an image."""
    steps = np.linspace(0.0, 1.0, _LEVEL**2)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = sdr_colours(np.stack([red, green, blue], axis=-1), transfer, primaries)
    side = _LEVEL**3
    return np.round(colours.reshape(side, side, 3) * 65535).astype(np.uint16)


def _pq_light(codes: Array) -> Array:
    """PQ's signal 0..1 → cd/m² (BT.2100)."""
    root = np.clip(codes, 0.0, 1.0) ** (32 / 2523)
    ratio = np.maximum(root - 3424 / 4096, 0.0) / (2413 / 128 - 2392 / 128 * root)
    return 10_000.0 * ratio ** (16384 / 2610)


def _pq_codes(light: Array) -> Array:
    """cd/m² → PQ's signal 0..1 (BT.2100)."""
    power = (np.asarray(light) / 10_000.0) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1.0 + 2392 / 128 * power)) ** (2523 / 32)


def _hlg_light(codes: Array) -> Array:
    """HLG's signal 0..1 → cd/m² on a screen of 1,000 cd/m² (BT.2100)."""
    codes = np.clip(codes, 0.0, 1.0)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(codes <= 0.5, codes**2 / 3.0, (np.exp((codes - c) / a) + b) / 12.0)
    luminance = (scene @ _BT2020_LUMA)[..., None]
    return PEAK * np.maximum(luminance, 1e-9) ** 0.2 * scene


def _compression(brightest: Array) -> Array:
    """The factor for light whose brightest channel is given in cd/m² (BT.2390's EETF)."""
    peak, white = float(_pq_codes(np.array(PEAK))), float(_pq_codes(np.array(WHITE)))
    top = white / peak
    knee = 1.5 * top - 0.5
    signal = np.minimum(_pq_codes(brightest) / peak, 1.0)
    t = np.clip((signal - knee) / (1.0 - knee), 0.0, 1.0)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee
    curve += (t**3 - 2 * t**2 + t) * (1.0 - knee) + (3 * t**2 - 2 * t**3) * top
    mapped = _pq_light(np.where(signal < knee, signal, curve) * peak)
    return np.where(brightest > 1e-9, mapped / np.maximum(brightest, 1e-9), 1.0)
