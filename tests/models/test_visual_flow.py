"""The flow network's visual inputs: tokens of the encoder, boxes that start at zero, plain networks."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from fractions import Fraction

import pytest
import torch

from savg.fields import from_json
from savg.models.frame_encoder import CONFIGS as ENCODERS
from savg.models.frame_encoder import FrameEncoder, token_times
from savg.models.mmaudio import MMAudio
from savg.models.mmaudio_lengths import SequenceLengths
from savg.models.visual_flow import BOX_VALUES, CONFIGS, VisualFlow, VisualFlowConfig, VisualInputs

LENGTHS = SequenceLengths(1.0, 16_000)


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """Random weights in place of those that start at zero."""
    for name, parameter in model.named_parameters():
        if not parameter.any() and "latent_" not in name and not name.startswith("boxes"):
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_the_encoders_tokens_fit_the_flow_network_of_that_name(name: str) -> None:
    config = CONFIGS[name]
    assert config.encoder == ENCODERS[name]
    encoder, lengths = FrameEncoder(ENCODERS[name]), SequenceLengths(5.0, 16_000)
    frames = encoder.config.frames(lengths)
    assert frames == 20
    side = encoder.config.image
    clip, sync = encoder(torch.zeros(2, frames, 3, side, side), lengths)
    assert clip.shape == (2, 40, config.flow.clip_dim)
    assert sync.shape == (2, 112, config.flow.sync_dim)


def test_tokens_come_at_their_times() -> None:
    clip, sync = token_times(SequenceLengths(5.0, 16_000))
    assert clip[0] == Fraction(1, 16) and clip[-1] == 5 - Fraction(1, 16)
    assert sync[0] == Fraction(1, 25) and sync[7] == Fraction(15, 25)
    assert sync[8] == Fraction(9, 25)  # the second segment begins after eight frames
    assert max(sync) < 5


@torch.no_grad()
def test_a_frame_changes_the_tokens_near_its_time_alone() -> None:
    torch.manual_seed(0)
    encoder = FrameEncoder(ENCODERS["tiny"]).eval()
    lengths = SequenceLengths(5.0, 16_000)
    frames = torch.rand(1, 20, 3, 16, 16)
    changed = frames.clone()
    changed[:, 18] += 0.5
    before, after = encoder(frames, lengths), encoder(changed, lengths)
    far = [t < 3 for t in token_times(lengths)[0]]
    torch.testing.assert_close(before[0][:, far], after[0][:, far], atol=0.05, rtol=0.05)
    near = (before[0] - after[0]).abs()[:, 36:38].max()
    assert near > 4 * (before[0] - after[0]).abs()[:, far].max()


@torch.no_grad()
def test_positions_in_a_frame_reach_the_tokens() -> None:
    torch.manual_seed(0)
    encoder = FrameEncoder(ENCODERS["tiny"]).eval()
    left = torch.full((1, 4, 3, 16, 16), -1.0)
    left[..., :4] = 1.0
    a, b = encoder(left, LENGTHS)[0], encoder(left.flip(-1), LENGTHS)[0]
    assert (a - b).abs().max() > 0.05


@torch.no_grad()
def test_boxes_start_at_zero_and_then_matter() -> None:
    torch.manual_seed(0)
    plain = lively(VisualFlow(CONFIGS["tiny"]))
    with_boxes = VisualFlow(replace(CONFIGS["tiny"], boxes=2)).eval()
    with_boxes.load_state_dict(plain.state_dict(), strict=False)
    inputs = VisualInputs(frames=torch.rand(2, 4, 3, 16, 16))
    inputs_with_boxes = replace(inputs, boxes=torch.rand(2, LENGTHS.clip, 2, BOX_VALUES))
    latent, t = torch.randn(2, LENGTHS.latent, 4), torch.full((2,), 0.5)
    dropped = torch.tensor([False, True])
    before = plain(latent, t, inputs, LENGTHS, dropped)
    torch.testing.assert_close(with_boxes(latent, t, inputs_with_boxes, LENGTHS, dropped), before)
    torch.nn.init.normal_(with_boxes.boxes.weight)
    after = with_boxes(latent, t, inputs_with_boxes, LENGTHS, dropped)
    assert (after[0] - before[0]).abs().max() > 1e-3
    torch.testing.assert_close(after[1], before[1])  # dropped together with the features


@torch.no_grad()
def test_training_and_sampling_have_the_same_conditions() -> None:
    torch.manual_seed(0)
    model = lively(VisualFlow(CONFIGS["tiny"]))
    inputs = VisualInputs(frames=torch.rand(2, 4, 3, 16, 16))
    latent, t = torch.randn(2, LENGTHS.latent, 4), torch.tensor([0.2, 0.9])
    trained = model(latent, t, inputs, LENGTHS, torch.zeros(2, dtype=torch.bool))
    sampled = model.flow(latent, t, model.condition(inputs, LENGTHS))
    torch.testing.assert_close(trained, sampled)
    empty = model(latent, t, inputs, LENGTHS, torch.ones(2, dtype=torch.bool))
    torch.testing.assert_close(
        empty, model.flow(latent, t, model.flow.empty_conditions(LENGTHS, 2))
    )


@torch.no_grad()
def test_a_plain_network_is_the_published_one() -> None:
    torch.manual_seed(0)
    flow = lively(MMAudio(CONFIGS["tiny"].flow))
    model = VisualFlow.around(flow)
    assert {k.removeprefix("flow.") for k in model.state_dict()} == set(flow.state_dict())
    rebuilt = VisualFlow(model.config)
    rebuilt.load_state_dict(model.state_dict())
    clip, sync = torch.randn(1, LENGTHS.clip, 6), torch.randn(1, LENGTHS.sync, 5)
    latent, t = torch.randn(1, LENGTHS.latent, 4), torch.tensor([0.5])
    conditions = rebuilt.eval().condition(VisualInputs(clip=clip, sync=sync), LENGTHS)
    expected = flow(latent, t, model.condition(VisualInputs(clip=clip, sync=sync), LENGTHS))
    torch.testing.assert_close(rebuilt.flow(latent, t, conditions), expected)


def test_gradients_reach_the_encoder_and_the_boxes() -> None:
    torch.manual_seed(0)
    model = lively(VisualFlow(replace(CONFIGS["tiny"], boxes=1))).train()
    inputs = VisualInputs(
        frames=torch.rand(1, 4, 3, 16, 16), boxes=torch.rand(1, LENGTHS.clip, 1, 5)
    )
    out = model(
        torch.randn(1, LENGTHS.latent, 4),
        torch.tensor([0.5]),
        inputs,
        LENGTHS,
        torch.tensor([False]),
    )
    out.square().mean().backward()
    for part in (model.encoder, model.boxes):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_configurations_survive_json() -> None:
    for config in CONFIGS.values():
        values = json.loads(json.dumps(asdict(config)))
        assert from_json(VisualFlowConfig, values, "a test") == config


def test_missing_inputs_are_named() -> None:
    model = VisualFlow(replace(CONFIGS["tiny"], boxes=2))
    frames = torch.zeros(1, 4, 3, 16, 16)
    with pytest.raises(ValueError, match="frames must be given"):
        model.condition(VisualInputs(), LENGTHS)
    with pytest.raises(ValueError, match=r"boxes must be \(1, 8, 2, 5\), got None"):
        model.condition(VisualInputs(frames=frames), LENGTHS)
    with pytest.raises(ValueError, match=r"frames must be \[B, 4, .*, got \[1, 5, 3, 16, 16\]"):
        model.condition(VisualInputs(frames=torch.zeros(1, 5, 3, 16, 16)), LENGTHS)
    plain = VisualFlow(VisualFlowConfig(CONFIGS["tiny"].flow))
    with pytest.raises(ValueError, match="CLIP and sync features"):
        plain.condition(VisualInputs(frames=frames), LENGTHS)
    with pytest.raises(ValueError, match="clip_dim and sync_dim of the encoder must be"):
        VisualFlowConfig(CONFIGS["demo"].flow, ENCODERS["tiny"])
