"""A vocoder in the joint pipeline: the bundled one is used and saved, a wrong one is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from savg.errors import SavgError
from savg.hub import Card, load_component, resolve, save_component
from savg.models.griffin_lim import CONFIGS as GRIFFIN_LIM
from savg.models.griffin_lim import GriffinLim
from savg.models.harmonic_vocoder import CONFIGS, HarmonicVocoder
from savg.pipelines.joint import JointPipeline, tiny

CARD = Card("MIT", "random")


@torch.inference_mode()
def test_the_vocoder_gives_its_phases_and_is_saved(tmp_path) -> None:
    pipeline = JointPipeline.from_pretrained("demo", "cpu", "float32")
    _, card = load_component(resolve("demo") / "vocoder")
    assert pipeline.cards["vocoder"].sha256 == card.sha256
    mel = pipeline.codec.sound
    assert mel is not None and pipeline.vocoder is not None
    image = torch.randn(mel.rows, 400, generator=torch.Generator().manual_seed(0)) * 0.5
    state = (torch.zeros(pipeline.shapes[0]), image)
    size = pipeline.format.size
    frames = np.zeros((pipeline.format.frames, size, size, 3), np.uint8)
    clip = pipeline.finish(frames, state)
    pipeline.save_pretrained(tmp_path / "copy")
    copy = JointPipeline.from_pretrained(tmp_path / "copy", "cpu", "float32")
    assert type(copy.vocoder) is type(pipeline.vocoder)
    np.testing.assert_allclose(copy.finish(frames, state).audio, clip.audio, atol=1e-3)
    pipeline.vocoder = None
    assert np.abs(pipeline.finish(frames, state).audio - clip.audio).max() > 1e-3


def test_a_vocoder_of_another_spectrogram_is_refused() -> None:
    pipeline = tiny()
    with pytest.raises(SavgError, match="for weights that make spectrograms, got 80 bands"):
        pipeline.set_vocoder(GriffinLim(GRIFFIN_LIM["full"]), CARD)
    bundled = JointPipeline.from_pretrained("demo", "cpu", "float32")
    with pytest.raises(SavgError, match=r"of 80 bands and 256 samples a frame, .* got 6 bands"):
        bundled.set_vocoder(HarmonicVocoder(CONFIGS["tiny"]), CARD)
    with pytest.raises(SavgError, match="vocoder: it must be one, got Linear"):
        bundled.set_vocoder(torch.nn.Linear(2, 2), CARD)


def test_a_pipeline_that_names_a_wrong_vocoder_is_refused(tmp_path) -> None:
    pipeline = tiny()
    pipeline.save_pretrained(tmp_path)
    save_component(GriffinLim(GRIFFIN_LIM["tiny"]), tmp_path / "v", "griffin_lim", CARD)
    file = tmp_path / "pipeline.json"
    file.write_text(file.read_text().replace("{", '{"vocoder": "v",', 1))
    with pytest.raises(SavgError, match="vocoder: it must be of 80 bands"):
        JointPipeline.from_pretrained(tmp_path)
