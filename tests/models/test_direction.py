"""What generated clips are told: where it enters, and that an added branch changes nothing at first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from savg.models.direction import (
    CONDITIONS,
    at_columns,
    at_times,
    mirrored,
    path_at,
    row,
    without,
)
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_unet import JointUNet
from savg.models.video_unet import VideoUNet, video_config, video_half

POINTS = 5


def joint(direction: int = POINTS, fast: bool = True) -> JointUNet:
    torch.manual_seed(0)
    network = JointUNet(replace(JOINT["tiny"], direction=direction), fast).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "direction" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return network


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, 3, 8, 16), torch.randn(2, 2, 400), torch.tensor([3, 700])


def told() -> torch.Tensor:
    return torch.stack([row(POINTS, 1, 2, (-0.5, 0.5)), row(POINTS, x=(0.25,))])


@pytest.mark.parametrize("fast", [True, False])
def test_a_new_branch_changes_nothing(fast: bool) -> None:
    plain, directed = joint(0, fast), joint(POINTS, fast)
    missing = directed.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing and all(name.startswith("direction.") for name in missing)
    shifts = [0] * len(plain.shifting)
    video, audio, t = inputs()
    for before, after in zip(
        plain(video, audio, t, shifts), directed(video, audio, t, shifts, told()), strict=True
    ):
        assert torch.equal(before, after)


def test_the_paths_agree_and_each_condition_matters() -> None:
    network = joint()
    torch.manual_seed(2)
    assert network.direction is not None
    with torch.no_grad():
        for parameter in network.direction.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    video, audio, t = inputs()
    shifts = [0] * len(network.shifting)
    fast = network(video, audio, t, shifts, told())
    network.fast = False
    for a, b in zip(fast, network(video, audio, t, shifts, told()), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)
    for condition in CONDITIONS:
        other = network(video, audio, t, shifts, without(told(), condition))
        assert all((a - b)[0].abs().max() > 1e-3 for a, b in zip(fast, other, strict=True)), (
            condition
        )
    alone = network(video[1:], audio[1:], t[1:], shifts, told()[1:])
    torch.testing.assert_close(alone[0], network(video, audio, t, shifts, told())[0][1:])


def test_the_video_network_is_directed_like_the_joint_ones_video() -> None:
    both = joint()
    both.eval()
    network = VideoUNet(video_config(both.config)).eval()
    state = video_half(both.state_dict())
    assert state.keys() == network.state_dict().keys()
    network.load_state_dict(state)
    video, _, t = inputs()
    assert torch.equal(network(video, t), network(video, t, told()))
    assert network.direction is not None
    torch.nn.init.normal_(network.direction.video_place.weight, std=0.3)
    assert not torch.equal(network(video, t), network(video, t, told()))


def test_a_direction_that_does_not_fit_is_told() -> None:
    video, audio, t = inputs()
    with pytest.raises(ValueError, match=r"direction must be None, got \(2, 7\)"):
        joint(0)(video, audio, t, None, told())
    with pytest.raises(ValueError, match=r"direction must be \[B, 7\], got \(2, 6\)"):
        joint()(video, audio, t, None, told()[:, 1:])


def test_a_path_is_spread_from_the_first_to_the_last_moment() -> None:
    direction = row(3, x=(-1.0, 0.0, 1.0))[None]
    x, is_told = path_at(direction, 4)
    torch.testing.assert_close(x, torch.tensor([[-0.75, -0.25, 0.25, 0.75]]))
    assert bool(is_told.all())
    # Two points told to a network of five: evenly between them.
    torch.testing.assert_close(row(5, x=(0.0, 1.0))[2:], torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(row(5, x=(0.3,))[2:], torch.full((5,), 0.3))


def test_the_bump_is_where_x_is_and_flips_with_it() -> None:
    direction = row(POINTS, 0, 1, (-0.5,))[None]
    columns = at_columns(direction, 2, 64)
    assert columns[0, 0, :, 1].argmax() in (15, 16)  # a quarter of the way from the left
    flipped = at_columns(mirrored(direction), 2, 64)
    torch.testing.assert_close(flipped[..., 1:], columns.flip(2)[..., 1:])
    assert not at_columns(without(direction, "x"), 2, 64).any()


def test_what_is_withheld_is_zero() -> None:
    nothing = row(POINTS)[None]
    assert nothing.isnan().all() and not at_times(nothing, 3).any()
    values = at_times(row(POINTS, 1, 5)[None], 1)[0, 0]
    assert values[:5].tolist() == [0, 1, 0, 0, 1]  # an instrument; five people count as three
    some = without(told(), "sound", torch.tensor([True, False]))
    assert some[0, 0].isnan() and some[0, 1] == 2 and torch.equal(some[1, 2:], told()[1, 2:])
