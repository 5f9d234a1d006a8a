"""What listeners hear, as their browser decodes and plays it: sides, phases and levels in numbers."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listen_studies import PANS, Server, advance, make_study, tiny_study, write_clip
from listen_visits import Visit
from mos_clips import FORMAT
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from savg.audio.headphone_check import Audio
from savg.audio.loudness import RATE
from savg.media.audio_file import write_audio
from savg.mos.study.folder import StudyFolder
from savg.mos.study.screening import ScreeningSound, make_set

STEP = 1 / 32768
"""Of 16 bits, in which screening sounds are written."""

DECODE = """async text => {
    const { decode } = await import('/listen/_page/sound.js');
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const heard = await decode(new Blob([bytes]));
    const channels = [];
    for (let c = 0; c < heard.numberOfChannels; c += 1) {
        const raw = new Uint8Array(heard.getChannelData(c).slice().buffer);
        let letters = '';
        for (let i = 0; i < raw.length; i += 8192) {
            letters += String.fromCharCode(...raw.subarray(i, i + 8192));
        }
        channels.push(btoa(letters));
    }
    return { rate: heard.sampleRate, channels };
}"""
"""The page's own decoding of a file, its samples as base64."""

PLAYED = """async text => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const video = document.createElement('video');
    video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
    const context = new AudioContext({ sampleRate: 48000 });
    await context.resume();
    const meter = context.createScriptProcessor(1024, 2, 2), energy = [0, 0];
    meter.onaudioprocess = ({ inputBuffer }) => {
        for (const c of [0, 1]) {
            for (const value of inputBuffer.getChannelData(c)) energy[c] += value * value;
        }
    };
    context.createMediaElementSource(video).connect(meter).connect(context.destination);
    const over = new Promise((resolve) => video.addEventListener('ended', resolve));
    await video.play();
    await over;
    await new Promise((resolve) => setTimeout(resolve, 300));
    await context.close();
    return energy;
}"""
"""Energy of both channels while a video element plays a clip."""

LISTEN_IN = """() => {
    window.graph = [];
    const start = AudioBufferSourceNode.prototype.start;
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...more) {
        this.to = to;
        return connect.call(this, to, ...more);
    };
    AudioBufferSourceNode.prototype.start = function (...when) {
        window.graph.push({
            direct: this.to === this.context.destination, rate: this.context.sampleRate,
            own: this.buffer.sampleRate, channels: this.buffer.numberOfChannels,
            samples: this.buffer.length, speed: this.playbackRate.value,
        });
        return start.apply(this, when);
    };
}"""


@pytest.fixture(scope="module")
def visit(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """A listener at the first sound of the screening."""
    root = tmp_path_factory.mktemp("sounds")
    server = Server(root, tmp_path_factory.mktemp("log") / "serve.log")
    study: StudyFolder = make_study(root / "tiny", tiny_study("tiny"))
    server.start()
    made = Visit(browser, server, study)
    made.context.add_init_script(f"({LISTEN_IN})()")
    advance(study.path, made.link.token, screening=False)
    made.arrive()
    made.onward()
    made.wait_for("screening")
    yield made
    study.store.close()
    made.leave()
    server.kill()


@pytest.fixture(scope="module")
def made() -> list[tuple[ScreeningSound, Audio]]:
    """The screening sounds of a study as Python makes them."""
    number = count()
    return make_set(3, -23.0, lambda: f"{next(number):02d}")


def decoded(page: Page, path: Path) -> NDArray[np.float32]:
    """A file as the page decodes it, [channels, samples]."""
    told: dict[str, Any] = page.evaluate(DECODE, base64.b64encode(path.read_bytes()).decode())
    assert told["rate"] == RATE, "decoded at its own rate"
    return np.stack([np.frombuffer(base64.b64decode(c), np.float32) for c in told["channels"]])


def heard_and_made(
    visit: Visit, made: list[tuple[ScreeningSound, Audio]], stage: str, folder: Path
) -> Iterator[tuple[str, NDArray[np.float32], Audio]]:
    """Answer, what the browser decodes and what Python made, for each sound of a stage."""
    for sound, samples in made:
        if sound.stage == stage:
            path = folder / sound.media
            write_audio(path, samples, RATE)
            yield sound.answer, decoded(visit.page, path), samples


def intervals(sound: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The three seconds of sound of a trial, without the pauses of half a second."""
    return [sound[:, round(i * 1.5 * RATE) : round((i * 1.5 + 1) * RATE)] for i in range(3)]


def correlation(sound: NDArray[np.float32], low: float, high: float) -> float:
    """Interaural correlation within a band in Hz: −1 for opposite phases."""
    left, right = np.fft.rfft(sound, axis=-1)
    hertz = np.fft.rfftfreq(sound.shape[-1], 1 / RATE)
    band = (hertz >= low) & (hertz < high)
    cross = np.sum(left[band] * right[band].conj()).real
    power = np.sum(np.abs(left[band]) ** 2) * np.sum(np.abs(right[band]) ** 2)
    return float(cross / np.sqrt(power))


def decibels(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.sum(left.astype(float) ** 2) / np.sum(right.astype(float) ** 2)))


def test_channel_0_is_left(visit: Visit, made: list[Any], tmp_path: Path) -> None:
    sides = set()
    for side, heard, samples in heard_and_made(visit, made, "channels", tmp_path):
        assert np.abs(heard - samples).max() <= STEP
        left, right = np.sqrt(np.mean(heard**2, axis=1))
        sides.add(side)
        if side == "centre":
            np.testing.assert_array_equal(heard[0], heard[1])
        else:
            assert (left > 0.02 and right == 0) == (side == "left")
            assert (right > 0.02 and left == 0) == (side == "right")
    assert sides == {"left", "centre", "right"}


def test_huggins_sounds_are_opposite_around_600_hz_alone(
    visit: Visit, made: list[Any], tmp_path: Path
) -> None:
    for answer, heard, samples in heard_and_made(visit, made, "huggins", tmp_path):
        assert np.abs(heard - samples).max() <= STEP
        for number, interval in enumerate(intervals(heard), 1):
            if str(number) != answer:
                np.testing.assert_array_equal(interval[0], interval[1])
                continue
            assert correlation(interval, 570, 630) < -0.999, "half a turn within 600 Hz ± 5 %"
            assert correlation(interval, 20, 550) > 0.9999
            assert correlation(interval, 650, 20_000) > 0.9999
            left, right = np.fft.rfft(interval, axis=-1)[:, 575:626]
            turn = np.angle(left * right.conj())
            assert np.median(np.abs(turn)) > np.radians(179)
            assert abs(decibels(*interval)) < 0.05, "no ear is louder"


def test_tones_of_the_anti_phase_stage(visit: Visit, made: list[Any], tmp_path: Path) -> None:
    for answer, heard, samples in heard_and_made(visit, made, "antiphase", tmp_path):
        assert np.abs(heard - samples).max() <= STEP
        tones = intervals(heard)
        softer = int(answer) - 1
        others = [tone for i, tone in enumerate(tones) if i != softer]
        for tone in tones:
            assert int(np.abs(np.fft.rfft(tone[0])).argmax()) == 200, "Hz, as it lasts a second"
            assert abs(decibels(*tone)) < 0.01, "alike in both ears"
        for tone in others:
            assert decibels(tones[softer][0], tone[0]) == pytest.approx(-6.0, abs=0.02)
        phases = sorted(round(correlation(tone, 150, 250), 4) for tone in others)
        assert phases == [-1.0, 1.0], "one tone of the two is opposite in the two ears"
        opposite = next(tone for tone in others if correlation(tone, 150, 250) < 0)
        assert np.abs(opposite.sum(axis=0)).max() <= 2 * STEP, "over one loudspeaker it is silent"


def test_sounds_are_played_unchanged(visit: Visit) -> None:
    visit.page.click(".sound:enabled")
    visit.page.wait_for_selector("fieldset.choices:enabled")
    played = visit.page.evaluate("window.graph")
    assert played == [
        {"direct": True, "rate": RATE, "own": RATE, "channels": 2, "samples": 57_600, "speed": 1}
    ], "no gain and no mixing between the sound and the output"


@pytest.mark.parametrize("difference", PANS)
def test_level_differences_of_clips_survive_in_the_browser(
    visit: Visit, tmp_path: Path, difference: float
) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, difference, FORMAT)
    heard = decoded(visit.page, path)
    assert heard.shape[0] == 2
    assert decibels(*heard) == pytest.approx(difference, abs=0.2), "positive is left"
    left, right = visit.page.evaluate(PLAYED, base64.b64encode(path.read_bytes()).decode())
    assert 10 * np.log10(left / right) == pytest.approx(difference, abs=0.5), "as it is played"
