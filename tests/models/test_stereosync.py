"""StereoSync's network: nothing changes at the start, what is trained, what each condition reaches."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from savg.models.stereosync import (
    CONDITIONS,
    CONFIGS,
    Conditions,
    StereoSync,
    StereoSyncConfig,
    at_latents,
    rename,
)
from savg.models.stereosync_tokens import TokenConfig

LATENTS = 9


def drawn(config: StereoSyncConfig = CONFIGS["tiny"]) -> StereoSync:
    """A network whose transformer computes something, with a fresh copy of it as its branch."""
    torch.manual_seed(0)
    model = StereoSync(config)
    for parameter in model.network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
    model.control.copy(model.network)
    return model


def published(**changes: object) -> StereoSyncConfig:
    """A small network built as the published one: with a global condition and encoded envelopes."""
    tiny = CONFIGS["tiny"]
    audio = replace(tiny.audio, overall=32)
    return replace(tiny, audio=audio, envelope=4, boxes=False, entry="latents", **changes)  # type: ignore[arg-type]


def inputs(config: StereoSyncConfig, batch: int = 2) -> tuple[Tensor, Tensor, Conditions]:
    torch.manual_seed(1)
    tokens = config.tokens
    conditions = Conditions(
        torch.rand(batch, tokens.frames, 4) * 256,
        torch.randn(batch, tokens.maps, tokens.depth_width),
        torch.randn(batch, tokens.audio_width),
        torch.randn(batch, config.envelope, LATENTS),
        torch.tensor([[0.0, 2.0]] * batch) if config.audio.overall else None,
    )
    return torch.randn(batch, config.audio.latents, LATENTS), torch.rand(batch), conditions


@pytest.mark.parametrize("config", [CONFIGS["tiny"], published()])
def test_a_new_branch_changes_nothing_at_all(config: StereoSyncConfig) -> None:
    model = drawn(config)
    x, t, conditions = inputs(config)
    with torch.inference_mode():
        whole, plain = model(x, t, conditions), model(x, t, conditions, branch=False)
        summands = model.control(x, t, torch.randn(2, 3, 16), torch.randn(2, 32),
                                 torch.randn(2, config.control, LATENTS))  # fmt: skip
    assert torch.equal(whole, plain) and plain.std() > 0.1
    assert len(summands) == config.branch and not any(one.any() for one in summands)


def test_the_branch_is_a_copy_of_the_first_blocks() -> None:
    model = drawn()
    own, theirs = model.control.state_dict(), model.network.state_dict()
    added = {"conv_in.weight", "conv_outs.0.weight"}
    assert own.keys() - theirs.keys() == added
    assert all(torch.equal(own[key], theirs[key]) for key in own.keys() - added)
    assert not any(own[key].any() for key in added)
    assert "transformer.layers.1.pre_norm.gamma" in theirs.keys() - own.keys()


def test_a_step_trains_branch_and_projections_and_leaves_the_rest_bit_for_bit() -> None:
    config = published()
    model = drawn(config)
    model.requires_grad_(False)
    for part in model.trained():
        part.requires_grad_(True)
    model.control.timestep_features.requires_grad_(False)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    x, t, conditions = inputs(config)
    for _ in range(3):  # what is behind the zeros learns one step later
        optimizer.zero_grad()
        model(x, t, conditions).square().mean().backward()
        optimizer.step()
    after = model.state_dict()
    for key in before:
        frozen = key.startswith(("network.", "seconds.", "latent_")) or key.endswith(
            ("timestep_features.weight", "beta")
        )
        assert torch.equal(before[key], after[key]) == frozen, key


@pytest.mark.parametrize("kind", CONDITIONS)
@pytest.mark.parametrize("config", [CONFIGS["tiny"], published()])
def test_each_condition_is_followed_and_can_be_withheld(
    kind: str, config: StereoSyncConfig
) -> None:
    model = drawn(config)
    for parameter in model.control.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    x, t, conditions = inputs(config)
    with torch.inference_mode():
        whole, without = model(x, t, conditions), model(x, t, conditions.without(kind))
        first = model(x, t, conditions.without(kind, torch.tensor([True, False])))
    assert not torch.allclose(whole, without, atol=1e-3)
    torch.testing.assert_close(first[0], without[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first[1], whole[1], atol=1e-5, rtol=1e-5)


def test_boxes_at_the_latents_times() -> None:
    config = TokenConfig(frames=3, most=200.0)
    boxes = torch.tensor([[[0.0, 50, 100, 200], [torch.nan] * 4, [200.0, 50, 200, 200]]])
    values = at_latents(boxes, config, 3)
    expected = [[1, 0, 1], [-1, 0, 1], [-0.5, 0, -0.5], [0, 0, 1], [1, 0, 1]]
    torch.testing.assert_close(values[0], torch.tensor(expected, dtype=torch.float32))
    between = at_latents(boxes[:, [0, 0, 2]], config, 6)[0, 1]
    assert between.tolist() == sorted(between.tolist()) and between[0] == -1 and between[-1] == 1


def test_conditions_of_several_clips_are_stacked() -> None:
    _, _, conditions = inputs(CONFIGS["tiny"])
    both = Conditions.stack([conditions, conditions])
    assert both.boxes is not None and both.boxes.shape[0] == 4 and both.seconds is None
    assert dict(both.given()).keys() == {"boxes", "depth", "audio", "envelope"}


def test_the_full_size() -> None:
    with torch.device("meta"):
        model = StereoSync(CONFIGS["full"])
    sizes = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    assert sizes == {
        "network": 1_056_828_544,
        "control": 192_859_264,
        "tokens": 1_777_664,
        "seconds": 396_544,
    }
    assert CONFIGS["full"].branch == int(0.2 * 24) and CONFIGS["full"].control == 64


def test_published_weights_become_a_new_network(monkeypatch: pytest.MonkeyPatch) -> None:
    config = published()
    monkeypatch.setitem(CONFIGS, "full", config)
    model = drawn(config)
    assert model.seconds is not None
    state = {f"model.model.{k}": v for k, v in model.network.state_dict().items()}
    state |= {f"conditioner.conditioners.{k}": v for k, v in model.seconds.state_dict().items()}
    fresh = StereoSync(config)
    fresh.load_state_dict(rename(state), strict=True)
    copied = fresh.control.transformer.layers[0].ff.ff[2].weight
    assert copied.any() and torch.equal(copied, model.network.transformer.layers[0].ff.ff[2].weight)
    seconds = fresh.seconds.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(v, seconds[k]) for k, v in model.seconds.state_dict().items())
    part = {k: v for k, v in state.items() if "layers.1" not in k}
    assert StereoSync(config).state_dict().keys() - rename(part).keys() == {
        f"network.{k}" for k in model.network.state_dict() if "layers.1" in k
    }
    x, t, conditions = inputs(config)
    expected = {**model.network.state_dict()}
    assert all(torch.equal(v, expected[k]) for k, v in fresh.network.state_dict().items())
    with torch.inference_mode():
        plain = fresh(x, t, conditions, branch=False)
        assert torch.equal(fresh(x, t, conditions), plain)


def test_wrong_shapes_and_settings_are_told() -> None:
    model = drawn(published())
    x, t, conditions = inputs(published())
    with pytest.raises(ValueError, match=r"seconds must be \[2, 2\], got None"):
        model(x, t, replace(conditions, seconds=None))
    with pytest.raises(ValueError, match=r"envelope must be \[2, 4, 9\], got \[2, 5, 9\]"):
        model(x, t, replace(conditions, envelope=torch.zeros(2, 5, 9)))
    for change, words in (
        ({"branch": 3}, "branch must be ≤ depth"),
        ({"tokens": TokenConfig()}, "width of the tokens"),
        ({"audio": replace(CONFIGS["tiny"].audio, overall=5)}, "overall"),
        ({"entry": "elsewhere"}, "entry must be one of latents, blocks"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(CONFIGS["tiny"], **change)  # type: ignore[arg-type]
