"""Colours of decoded frames as players show them, and the tags that say how written ones are coded.

Matrix, range, primaries and transfer are numbers of ITU-T H.273, as in FFmpeg and PyAV. Frames in RGB
are uint8 [height, width, 3]; transparency is ignored, as FFmpeg's own conversion does. HDR is
tone-mapped (`savg.media.hdr`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.media import hdr

Frame = NDArray[np.uint8]

BT709, UNSPECIFIED, BT601, BT2020 = 1, 2, 6, 9
LIMITED = 1

_CONVERTIBLE = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""Matrices that can be converted → swscale's numbers for them."""

_GUESSED = (0, UNSPECIFIED, 3)
"""Matrices of YUV frames that say nothing: that of RGB, unspecified, reserved."""

_NAMES = {8: "YCgCo", 11: "SMPTE 2085", 13: "chromaticity-derived YCC", 14: "ICtCp", 15: "IPT-C2"}

_SDR_PRIMARIES = (1, 4, 5, 6, 7, 8, 9, 11, 12, 22)
_SDR_TRANSFERS = (1, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15)


class ColourError(Exception):
    """Frames whose colours cannot be shown: the rest of a sentence that begins with their file."""


@dataclass(frozen=True)
class ColourTags:
    """How the colours of frames are coded: numbers of H.273; the range is 1 limited, 2 full."""

    matrix: int
    primaries: int = BT709
    transfer: int = BT709
    range: int = LIMITED

    def mark(self, target: Any) -> None:
        """Set the tags of a frame or a codec context of PyAV's."""
        target.colorspace, target.color_range = self.matrix, self.range
        target.color_primaries, target.color_trc = self.primaries, self.transfer


SD, HD = ColourTags(BT601), ColourTags(BT709)
"""Tags of RGB frames coded in yuv420p, limited range, by their size."""


def tags_for(width: int, height: int) -> ColourTags:
    """The tags for coding RGB frames of a size: the matrix that players guess without a tag."""
    return HD if is_hd(width, height) else SD


def is_hd(width: int, height: int) -> bool:
    """Whether players take frames of this size for BT.709 where nothing says so."""
    return height >= 720 or width >= 1280


def recoded_tags(frame: Any, width: int, height: int) -> ColourTags:
    """The tags for a decoded frame that is coded anew from its RGB, in a size.

    Primaries and transfer stay what its file says; HDR has been tone-mapped.
    """
    tags = tags_for(width, height)
    if hdr.is_hdr(frame):
        return tags
    primaries, transfer = frame.color_primaries, frame.color_trc
    return ColourTags(
        tags.matrix,
        primaries if primaries in _SDR_PRIMARIES else tags.primaries,
        transfer if transfer in _SDR_TRANSFERS else tags.transfer,
    )


def frame_matrix(frame: Any) -> int:
    """The matrix of a decoded frame: its tag, or what players guess from its size.

    ColourError for one that cannot be converted.
    """
    matrix = int(frame.colorspace)
    if matrix == 12:
        matrix = {1: BT709, 5: BT601, 6: BT601, 9: BT2020}.get(frame.color_primaries, UNSPECIFIED)
    if matrix == 10:
        return BT2020
    if matrix in _CONVERTIBLE:
        return matrix
    if matrix not in _GUESSED:
        raise ColourError(
            f"has frames in {_NAMES.get(matrix, f'colour space {matrix}')}: expected RGB, grey, or "
            "YUV of BT.601, BT.709 or BT.2020"
        )
    return BT709 if is_hd(frame.width, frame.height) else BT601


def to_rgb(frame: Any, reformatter: Any = None, size: tuple[int, int] | None = None) -> Frame:
    """A decoded frame in RGB, not rotated.

    Args:
        reformatter: PyAV's, for many frames of one kind.
        size: width and height to which the frame is averaged; its own without.

    Raises:
        ColourError: colours that cannot be shown.
    """
    if hdr.is_hdr(frame):
        deep = _converted(frame, "rgb48le", reformatter, size)
        return hdr.tone_map(deep, frame.color_trc, frame.color_primaries)
    return np.asarray(_converted(frame, "rgb24", reformatter, size).to_ndarray(), np.uint8)


def _converted(frame: Any, name: str, reformatter: Any, size: tuple[int, int] | None) -> Any:
    """The frame in a pixel format of RGB."""
    import av

    options: dict[str, Any] = {"format": name}
    if size is not None:
        options |= {"width": size[0], "height": size[1], "interpolation": "AREA"}
    matrix = frame_matrix(frame) if has_matrix(frame) else BT601
    if matrix != frame.colorspace:
        options |= dict.fromkeys(("src_colorspace", "dst_colorspace"), _CONVERTIBLE[matrix])
    try:
        if reformatter is None:
            return frame.reformat(**options)
        return reformatter.reformat(frame, **options)
    except av.FFmpegError as error:
        raise ColourError(
            f"has frames of the kind {frame.format.name}, which cannot be shown"
        ) from error


def to_yuv420(image: Frame, tags: ColourTags) -> Any:
    """RGB [height, width, 3], both even, as a tagged yuv420p frame of limited range."""
    import av

    number = _CONVERTIBLE[tags.matrix]
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
    frame = rgb.reformat(format="yuv420p", dst_colorspace=number, dst_color_range=tags.range)
    tags.mark(frame)
    return frame


def has_matrix(frame: Any) -> bool:
    """Whether a frame is YUV: neither RGB, nor a palette, nor grey."""
    return (
        not frame.format.is_rgb
        and not frame.format.has_palette
        and len(frame.format.components) > 2
    )
