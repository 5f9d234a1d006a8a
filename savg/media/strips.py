"""Overlapping clips of one view, coded once.

Windows that lie half a second apart share nine tenths of their frames and audio, and coding costs more
than everything else. So the frames and the audio of a view are coded once over the whole strip that its
overlapping windows cover, and each clip is cut out of the coded packets:

- Frames (H.264) have a key frame wherever a window begins and refer back to nothing older, all of one
  fixed quality, in coding order of display. A clip is a run of packets from a key frame on.
- Audio (AAC) is made of blocks of 1,024 samples that overlap by half. A clip takes the blocks that
  cover it and the one before, and an edit list says which sample is its first, the way every AAC file
  marks where its audio begins; so it starts at the right sample wherever the blocks lie.

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
from savg.media.colour import SD
from savg.media.encode import add_aac, add_h264, audio_block, new_mp4, yuv_frame

QUANTIZER = 16
"""x264's fixed quantizer, 0 best … 51: luminance within about 45 dB of the frames it is given."""

AUDIO_BIT_RATE = 160_000
"""The highest rate at which no AAC block meets its limit of bits and has to be searched again."""

_VIDEO = {"preset": "ultrafast", "tune": "zerolatency", "qp": str(QUANTIZER)}
_VIDEO_PARAMETERS = {"x264-params": "keyint=infinite"}
_AUDIO = {"aac_coder": "fast", "aac_is": "0", "aac_ms": "0", "aac_pns": "0", "aac_tns": "0"}
_BLOCK = 1024
_AHEAD = 4 * _BLOCK
"""Samples beyond a block that the encoder needs before it returns that block."""

_CHROMA = np.array(
    [[-0.148223, -0.290993, 0.439216, 128.0], [0.439216, -0.367788, -0.071427, 128.0]]
)
"""BT.601, limited range: Cb and Cr of R, G, B."""

AudioSource = Callable[[int, int], NDArray[np.float32]]
"""(first sample of the strip, length) → stereo audio [2, length]."""


class Strip:
    """Frames and audio of a view over overlapping windows, coded as they come.

    samples: the length of the audio; audio: its source.
    """

    def __init__(self, format: ClipFormat, samples: int, audio: AudioSource) -> None:
        import av

        self._format, self._samples, self._source = format, samples, audio
        # Never written to: it only holds the two encoders and what describes their packets.
        self._coder = av.open(io.BytesIO(), "w", format="mp4")
        options = {**_VIDEO, **_VIDEO_PARAMETERS}
        size = format.size, format.size
        self._video: Any = add_h264(self._coder, size, format.fps, options, threads=1, colour=SD)
        self._audio: Any = add_aac(self._coder, format.sample_rate, AUDIO_BIT_RATE, _AUDIO)
        self._coder.start_encoding()
        self._frames: deque[tuple[int, Any]] = deque()
        self._blocks: deque[tuple[int, Any]] = deque()
        self._coded_frames = self._coded_samples = 0

    def show(self, frame: Any, begins: bool) -> None:
        """Code the next frame (PyAV's, yuv420p); begins: whether a window begins with it."""
        from av.video.frame import PictureType

        frame.pts, frame.time_base = self._coded_frames, Fraction(1, self._format.fps)
        frame.pict_type = PictureType.I if begins else PictureType.NONE
        packets = self._video.encode(frame)
        self._frames += [(self._coded_frames + i, packet) for i, packet in enumerate(packets)]
        self._coded_frames += 1

    def cut(self, path: Path, first_frame: int, first_sample: int) -> None:
        """Write the clip that begins there, as an mp4; its frames have all been coded.

        Clips are cut in the order in which they begin: what only earlier ones need is dropped.
        OSError where the file cannot be written.
        """
        self._code_audio(first_sample + self._format.samples + _AHEAD)
        while self._frames[0][0] < first_frame:
            self._frames.popleft()
        while self._blocks[0][0] <= first_sample - 2 * _BLOCK:
            self._blocks.popleft()
        self._write(path, first_frame, first_sample)

    def _write(self, path: Path, first_frame: int, first_sample: int) -> None:
        format = self._format
        unit, tick = Fraction(1, format.fps), Fraction(1, format.sample_rate)
        with new_mp4(path) as container:
            video = container.add_stream_from_template(self._video, opaque=True)
            audio = container.add_stream_from_template(self._audio, opaque=True)
            for place, packet in self._frames:
                at = place - first_frame
                if at < format.frames:
                    container.mux(_copy(packet, video, at, 1, unit))
            for place, packet in self._blocks:
                at = place - first_sample
                length = min(_BLOCK, format.samples - at)
                if length > 0:
                    container.mux(_copy(packet, audio, at, length, tick))

    def close(self) -> None:
        """Release the encoders."""
        self._frames.clear()
        self._blocks.clear()
        self._coder.close()

    def _code_audio(self, until: int) -> None:
        """Code the audio up to a sample, and all there is left at the strip's end."""
        until = min(until, self._samples)
        if until <= self._coded_samples:
            return
        audio = self._source(self._coded_samples, until - self._coded_samples)
        block = audio_block(audio, self._format.sample_rate, self._coded_samples)
        packets = self._audio.encode(block)
        self._coded_samples = until
        if until == self._samples:
            packets += self._audio.encode(None)
        self._blocks += [(int(packet.pts), packet) for packet in packets]


class Canvas:
    """The black frame that images are laid on, in the encoder's number format."""

    def __init__(self, format: ClipFormat) -> None:
        size, even = format.size, format.top % 2 == 0 and format.picture_height % 2 == 0
        self._first, self._last = (format.top, format.bottom) if even else (0, size)
        self._padding = (format.top - self._first, self._last - format.bottom)
        self._planes = np.full((size * 3 // 2, size), 128, np.uint8)
        self._planes[:size] = 16

    def frame(self, image: NDArray[np.uint8]) -> Any:
        """An image [picture_height, size, 3] in RGB, in its place on black, as a yuv420p frame.

        Colour is averaged over 2×2 pixels; BT.601, limited range, as FFmpeg converts RGB.
        """
        above, below = self._padding
        if above or below:
            image = np.pad(image, ((above, below), (0, 0), (0, 0)))
        size = self._planes.shape[1]
        rows = self._last - self._first
        planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
        self._planes[self._first : self._last] = planes[:rows]
        half = cv2.resize(image, (size // 2, rows // 2), interpolation=cv2.INTER_AREA)
        colour = self._planes[size:].reshape(2, size // 2, size // 2)
        colour[:, self._first // 2 : self._last // 2] = cv2.split(cv2.transform(half, _CHROMA))
        return yuv_frame(self._planes)


def _copy(packet: Any, stream: Any, at: int, length: int, unit: Fraction) -> Any:
    """A packet for another file, at a time of its own."""
    import av

    copy = av.Packet(bytes(packet))
    copy.pts = copy.dts = at
    copy.duration, copy.time_base, copy.stream = length, unit, stream
    copy.is_keyframe = packet.is_keyframe
    return copy
