"""The video U-Net against the video half of the joint network that it is taken from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from savg.errors import CheckpointError
from savg.hub import Card, load_component, load_official, save_component
from savg.models.joint_config import CONFIGS as JOINT
from savg.models.joint_config import JointUNetConfig, published_config
from savg.models.joint_unet import CoupledUNet, JointUNet
from savg.models.unet_layers import CrossAttention
from savg.models.video_unet import CONFIGS, VideoUNet, video_config, video_half
from tests.goldens import case

VARIANTS = {
    "as it is": {},
    "no cross attention": {"cross_at": (), "middle_cross": False},
    "added shift": {"scale_shift": False, "audio_at": (2,)},
    "3d": {"video_conv": "3d", "learn_variance": True},
    "repetition": {"upsample": False, "blocks": (2, 1)},
    "patches": {"video_patch": 2, "audio_patch": 5, "skips": "add", "coordinates": True},
}


def randomise(model: CoupledUNet) -> None:
    """Weights with which no branch is silent."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)


def pair(**changes) -> tuple[JointUNet, VideoUNet]:
    """A joint network whose cross-modal attention adds nothing, and a video network of its weights."""
    torch.manual_seed(0)
    config = replace(JOINT["tiny"], **changes)
    joint, video = JointUNet(config).eval(), VideoUNet(video_config(config)).eval()
    randomise(joint)
    for layer in joint.modules():
        if isinstance(layer, CrossAttention):
            for parameter in layer.video_proj_out.parameters():
                torch.nn.init.zeros_(parameter)
    video.load_state_dict(video_half(joint.state_dict()))
    return joint, video


def inputs(channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 4, channels, 8, 16), torch.tensor([3, 700])


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_the_joint_network_without_audio(name: str, fast: bool) -> None:
    joint, video = pair(**VARIANTS[name])
    joint.fast = video.fast = fast
    frames, t = inputs()
    audio = torch.randn(2, 2, 320 * joint.config.audio_patch)
    with torch.no_grad():
        expected, _ = joint(frames, audio, t, [1] * len(joint.shifting))
        output = video(frames, t)
    assert expected.std() > 0.05 and output.dtype == frames.dtype
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)


def test_without_cross_modal_attention_the_names_are_those_of_the_joint_network() -> None:
    joint, video = pair(cross_at=(), middle_cross=False)
    joint_state = joint.state_dict()
    for key, value in video.state_dict().items():
        assert torch.equal(value, joint_state[key])
    rest = set(joint_state) - set(video.state_dict())
    assert rest and all(".audio_" in key or key.startswith("audio_") for key in rest)


@pytest.mark.parametrize("name", ["as it is", "patches", "3d"])
def test_fast_gradients_agree_with_plain(name: str) -> None:
    _, video = pair(**VARIANTS[name])
    frames, t = inputs()
    grads = []
    for fast, saving in ((True, False), (True, True), (False, False)):
        video.fast, video.checkpoint_attention = fast, saving
        video.zero_grad()
        video(frames, t).square().mean().backward()
        grads.append({key: p.grad.clone() for key, p in video.named_parameters()})
    for key, plain in grads[2].items():
        for fast in grads[:2]:
            torch.testing.assert_close(fast[key], plain, rtol=5e-3, atol=2e-5, msg=key)


def test_its_sizes_are_those_of_the_joint_networks() -> None:
    sizes = {}
    for name, config in CONFIGS.items():
        with torch.device("meta"):
            video, joint = VideoUNet(config), JointUNet(JOINT[name])
        assert video.state_dict().keys() == video_half(joint.state_dict()).keys()
        assert not any("audio" in key or ".v_qkv." in key for key in video.state_dict())
        sizes[name] = sum(p.numel() for p in video.parameters())
        assert sizes[name] < sum(p.numel() for p in joint.parameters())
    assert sizes["tiny"] < sizes["demo"] < sizes["full"]
    assert CONFIGS["full"].channels == 128 and CONFIGS["full"].video_at == (2, 4, 8)


def test_a_published_joint_file_gives_its_video_half(tmp_path) -> None:
    reference = case("mmdiff_unet_tiny_shifts")
    arguments = reference.meta["constructor"]
    torch.save(reference.state, tmp_path / "joint.pt")
    video = load_official("video_unet", tmp_path / "joint.pt", arguments)
    joint = JointUNet(published_config(arguments)).eval()
    joint.load_state_dict(reference.state)
    for layer in joint.modules():
        if isinstance(layer, CrossAttention):
            torch.nn.init.zeros_(layer.video_proj_out.video_conv.weight)
            torch.nn.init.zeros_(layer.video_proj_out.video_conv.bias)
    frames, t = reference.input("video"), torch.tensor(reference.meta["inputs"]["timesteps"])
    with torch.no_grad():
        expected, _ = joint(frames, reference.input("audio"), t)
        output = video(frames, t)
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-5)
    state = {key: value for key, value in reference.state.items() if "video_out" not in key}
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(CheckpointError, match=r"video_unet: .*less\.pt .* missing"):
        load_official("video_unet", tmp_path / "less.pt", arguments)


def test_saved_and_loaded_it_is_the_same(tmp_path) -> None:
    _, video = pair()
    save_component(video, tmp_path / "video", "video_unet", Card("MIT", "random"))
    loaded, _ = load_component(tmp_path / "video", "video_unet")
    assert isinstance(loaded, VideoUNet) and loaded.config == video.config
    frames, t = inputs()
    with torch.no_grad():
        assert torch.equal(loaded(frames, t), video(frames, t))
    with pytest.raises(CheckpointError, match="joint_unet"):
        load_component(tmp_path / "video", "joint_unet")


def test_batch_mates_do_not_matter_and_any_number_of_frames_fits() -> None:
    _, video = pair()
    frames, t = inputs()
    with torch.no_grad():
        together, alone = video(frames, t), video(frames[1:], t[1:])
        longer = video(torch.randn(1, 7, 3, 8, 16), t[:1])
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-4)
    assert longer.shape == (1, 7, 3, 8, 16)


def test_autocast_trains_in_bfloat16() -> None:
    _, video = pair(**VARIANTS["patches"])
    frames, t = inputs()
    with torch.no_grad():
        exact = video(frames, t)
    with torch.autocast("cpu", torch.bfloat16):
        output = video(frames, t)
    output.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in video.parameters())
    assert (output - exact).square().mean() < 1e-2 * exact.square().mean()


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 4, 3, 9, 16), "divisible"), ((1, 3, 8, 16), "F, 3")]
)
def test_wrong_shapes_are_named(shape, message) -> None:
    with pytest.raises(ValueError, match=message):
        pair()[1](torch.zeros(shape), torch.zeros(1))


def test_wrong_configurations_are_named() -> None:
    with pytest.raises(ValueError, match="video network must be 0, got 2"):
        VideoUNet(JOINT["tiny"])
    with pytest.raises(ValueError, match="joint network must be ≥ 1, got 0"):
        JointUNet(CONFIGS["tiny"])
    with pytest.raises(ValueError, match="must be ≥ 1 for attention to audio"):
        JointUNetConfig(audio_channels=0)
