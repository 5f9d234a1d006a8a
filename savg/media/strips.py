"""Overlapping clips of one view, coded once.

Windows that lie half a second apart share nine tenths of their pictures and sound, and coding costs
more than everything else. So the pictures and the sound of a view are coded once over the whole strip
that its overlapping windows cover, and each clip is cut out of the coded packets:

- Pictures (H.264) have a key frame wherever a window begins and refer back to nothing older, all of
  one fixed quality, in coding order of display. A clip is a run of packets from a key frame on.
- Sound (AAC) is made of blocks of 1,024 samples that overlap by half. A clip takes the blocks that
  cover it and the one before, and an edit list says which sample is its first, the way every AAC file
  marks where its sound begins; so it starts at the right sample wherever the blocks lie.

Each channel is coded by itself, without the encoder's tools that join channels or replace noise, so
that nothing but rounding touches the level difference.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from savg.format import ClipFormat

QUANTIZER = 16
"""x264's fixed quantizer, 0 best … 51: luminance within about 45 dB of the projected pictures."""

AUDIO_BIT_RATE = 160_000
"""The highest rate at which no AAC block meets its limit of bits and has to be searched again."""

_VIDEO = {"preset": "ultrafast", "tune": "zerolatency", "qp": str(QUANTIZER)}
_VIDEO_PARAMETERS = {"x264-params": "keyint=infinite"}
_AUDIO = {"aac_coder": "fast", "aac_is": "0", "aac_ms": "0", "aac_pns": "0", "aac_tns": "0"}
_BLOCK = 1024
_AHEAD = 4 * _BLOCK
"""Samples that the encoder has to hear beyond a block before it gives that block out."""

_CHROMA = np.array(
    [[-0.148223, -0.290993, 0.439216, 128.0], [0.439216, -0.367788, -0.071427, 128.0]]
)
"""BT.601, limited range: Cb and Cr of R, G, B."""

Hear = Callable[[int, int], NDArray[np.float32]]
"""Stereo sound [2, length] from a sample of the strip on."""


class Strip:
    """Pictures and sound of a view over overlapping windows, coded as they come.

    pictures, samples: how many there will be; hear: gives the sound.
    """

    def __init__(self, form: ClipFormat, samples: int, hear: Hear) -> None:
        import av

        self._form, self._samples, self._hear = form, samples, hear
        # Never written to: it only holds the two encoders and what describes their packets.
        self._coder = av.open(io.BytesIO(), "w", format="mp4")
        self._video: Any = self._coder.add_stream("libx264", rate=Fraction(form.fps))
        self._video.width = self._video.height = form.size
        self._video.pix_fmt, self._video.options = "yuv420p", {**_VIDEO, **_VIDEO_PARAMETERS}
        self._video.codec_context.thread_count = 1
        self._audio: Any = self._coder.add_stream("aac", rate=form.sample_rate, layout="stereo")
        self._audio.bit_rate, self._audio.options = AUDIO_BIT_RATE, dict(_AUDIO)
        self._coder.start_encoding()
        self._pictures: deque[tuple[int, Any]] = deque()
        self._blocks: deque[tuple[int, Any]] = deque()
        self._shown = self._heard = 0

    def show(self, picture: Any, begins: bool) -> None:
        """Code the next picture (a yuv420p frame); begins: whether a window begins with it."""
        from av.video.frame import PictureType

        picture.pts, picture.time_base = self._shown, Fraction(1, self._form.fps)
        picture.pict_type = PictureType.I if begins else PictureType.NONE
        packets = self._video.encode(picture)
        self._pictures += [(self._shown + i, packet) for i, packet in enumerate(packets)]
        self._shown += 1

    def cut(self, path: Path, first_picture: int, first_sample: int) -> None:
        """Write the clip that begins there, as an mp4; its pictures have all been shown.

        Clips are cut in the order in which they begin: what only earlier ones need is forgotten.
        """
        import av

        form = self._form
        self._listen(first_sample + form.samples + _AHEAD)
        while self._pictures[0][0] < first_picture:
            self._pictures.popleft()
        while self._blocks[0][0] <= first_sample - 2 * _BLOCK:
            self._blocks.popleft()
        try:
            self._write(path, first_picture, first_sample)
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error

    def _write(self, path: Path, first_picture: int, first_sample: int) -> None:
        import av

        form = self._form
        unit, tick = Fraction(1, form.fps), Fraction(1, form.sample_rate)
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            video = container.add_stream_from_template(self._video, opaque=True)
            audio = container.add_stream_from_template(self._audio, opaque=True)
            for place, packet in self._pictures:
                at = place - first_picture
                if at < form.frames:
                    container.mux(_copy(packet, video, at, 1, unit))
            for place, packet in self._blocks:
                at = place - first_sample
                length = min(_BLOCK, form.samples - at)
                if length > 0:
                    container.mux(_copy(packet, audio, at, length, tick))

    def close(self) -> None:
        """Release the encoders."""
        self._pictures.clear()
        self._blocks.clear()
        self._coder.close()

    def _listen(self, until: int) -> None:
        """Code the sound up to a sample, and all there is left at the strip's end."""
        import av

        until = min(until, self._samples)
        if until <= self._heard:
            return
        sound = np.ascontiguousarray(self._hear(self._heard, until - self._heard))
        block = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        block.sample_rate = self._form.sample_rate
        block.pts, block.time_base = self._heard, Fraction(1, self._form.sample_rate)
        packets = self._audio.encode(block)
        self._heard = until
        if until == self._samples:
            packets += self._audio.encode(None)
        self._blocks += [(int(packet.pts), packet) for packet in packets]


class Canvas:
    """The black frame that pictures are laid on, in the encoder's format."""

    def __init__(self, form: ClipFormat) -> None:
        size, even = form.size, form.top % 2 == 0 and form.picture_height % 2 == 0
        self._first, self._last = (form.top, form.bottom) if even else (0, size)
        self._padding = (form.top - self._first, self._last - form.bottom)
        self._planes = np.full((size * 3 // 2, size), 128, np.uint8)
        self._planes[:size] = 16

    def frame(self, picture: NDArray[np.uint8]) -> Any:
        """A picture [picture_height, size, 3] in RGB, in its place on black, as a yuv420p frame.

        Colour is averaged over 2×2 pixels; BT.601, limited range, as FFmpeg converts RGB.
        """
        import av

        above, below = self._padding
        if above or below:
            picture = np.pad(picture, ((above, below), (0, 0), (0, 0)))
        size = self._planes.shape[1]
        rows = self._last - self._first
        self._planes[self._first : self._last] = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)[
            :rows
        ]
        half = cv2.resize(picture, (size // 2, rows // 2), interpolation=cv2.INTER_AREA)
        colour = self._planes[size:].reshape(2, size // 2, size // 2)
        colour[:, self._first // 2 : self._last // 2] = cv2.split(cv2.transform(half, _CHROMA))
        return av.VideoFrame.from_ndarray(self._planes, "yuv420p")


def _copy(packet: Any, stream: Any, at: int, length: int, unit: Fraction) -> Any:
    """A packet for another file, at a time of its own."""
    import av

    copy = av.Packet(bytes(packet))
    copy.pts = copy.dts = at
    copy.duration, copy.time_base, copy.stream = length, unit, stream
    copy.is_keyframe = packet.is_keyframe
    return copy
