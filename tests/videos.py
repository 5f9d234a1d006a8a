"""Small video files and random detectors for tests of whole commands."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CHANNELS = {1: "mono", 2: "stereo", 6: "5.1"}


def make_video(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: int = 4,
    width: int = 256,
    height: int = 144,
    channels: int = 2,
    sample_rate: int = 16_000,
    frames: bool = True,
    audio: bool = True,
    nan: bool = False,
    codecs: tuple[str, str] = ("mpeg4", "pcm_s16le"),
    options: dict[str, str] | None = None,
    gap: tuple[float, float] | None = None,
    audio_late: float = 0.0,
) -> Path:
    """A video of grey frames that brighten with time, and a tone, as its container's suffix says.

    Frame i is of brightness 20 + 10·i. gap: seconds from, to which no frame is written, so that the
    frame rate varies. audio_late: seconds by which the audio's time stamps are late.
    """
    float_audio = nan or codecs[1] == "pcm_f32le"
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream(codecs[0], rate=fps)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.bit_rate = 2_000_000
        video.codec_context.time_base = Fraction(1, fps)
        stream = None
        if audio:
            name = "pcm_f32le" if float_audio else codecs[1]
            stream = container.add_stream(name, rate=sample_rate, layout=CHANNELS[channels])
        for i in range(round(seconds * fps) if frames else 0):
            if gap and gap[0] <= i / fps < gap[1]:
                continue
            grey = np.full((height, width, 3), min(20 + 10 * i, 250), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            container.mux(video.encode(frame))
        if frames:
            container.mux(video.encode(None))
        if stream is not None:
            _add_audio(container, stream, seconds, channels, sample_rate, nan, audio_late)
    return path


def _add_audio(container, stream, seconds, channels, sample_rate, nan, late) -> None:  # type: ignore[no-untyped-def]
    samples = round(seconds * sample_rate)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(samples) / sample_rate)
    gains = np.linspace(1.0, 0.25, channels)
    wave = (gains[:, None] * tone).astype(np.float32)
    if nan:
        wave[:, samples // 2] = np.nan
    sample_format = {"pcm_s16le": "s16", "pcm_f32le": "flt"}.get(stream.codec_context.name, "fltp")
    if sample_format == "s16":
        wave = np.round(wave * 32767).astype(np.int16)
    if sample_format in ("s16", "flt"):
        wave = np.ascontiguousarray(wave.T).reshape(1, -1)
    block = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(wave), sample_format, CHANNELS[channels]
    )
    block.sample_rate, block.pts = sample_rate, round(late * sample_rate)
    block.time_base = Fraction(1, sample_rate)
    container.mux(stream.encode(block))
    container.mux(stream.encode(None))


def tiny_weights(folder: Path) -> Path:
    """A pipeline folder with the smallest random detectors of each kind."""
    import torch

    from savg.hub import Card, save_component
    from savg.models.seld import CONFIGS as SELD
    from savg.models.seld import Seld
    from savg.models.yolox import CONFIGS as YOLOX
    from savg.models.yolox import Yolox

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    card = Card(licence="MIT", origin="random, for tests")
    save_component(Yolox(YOLOX["test"]), folder / "yolox", "yolox", card)
    save_component(Seld(SELD["tiny"]), folder / "seld", "seld", card)
    description = {"pipeline": "joint", "persons": "yolox", "sounds": "seld"}
    (folder / "pipeline.json").write_text(json.dumps(description))
    return folder


def rotated(source: Path, target: Path) -> Path:
    """The same frames with a display matrix that rotates them by 90°."""
    data = bytearray(source.read_bytes())
    plain = b"".join(v.to_bytes(4, "big") for v in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    quarter = b"".join(
        v.to_bytes(4, "big", signed=True) for v in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    )
    at = data.index(plain, data.index(b"tkhd"))
    data[at : at + 36] = quarter
    target.write_bytes(data)
    return target
