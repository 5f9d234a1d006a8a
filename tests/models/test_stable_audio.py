"""Stable Audio's transformer: diffusers' own output, both kinds of names, sizes, and bad input."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from savg.models.stable_audio import CONFIGS, FORMAT, StableAudio, from_published, positions, rotate
from savg.models.stable_audio_names import rename, seconds_rename
from tests.goldens import case

GOLDEN = case("stable_audio")


def loaded() -> StableAudio:
    model = StableAudio(from_published(GOLDEN.meta["constructor"])).eval()
    model.load_state_dict(rename(GOLDEN.state))
    return model


def predicted(model: StableAudio) -> Tensor:
    with torch.inference_mode():
        return model(
            GOLDEN.input("latents"),
            torch.tensor(GOLDEN.meta["times"]),
            GOLDEN.input("tokens"),
            GOLDEN.input("overall"),
        )


def test_the_prediction_of_diffusers() -> None:
    assert GOLDEN.meta["outputs"]["prediction"]["std"] > 0.5
    GOLDEN.check("prediction", predicted(loaded()))


def as_published(model: StableAudio) -> dict[str, Tensor]:
    """Weights as a file of stable-audio-open-1.0 names them, with what is not the transformer's."""
    state = {f"model.model.{key}": value for key, value in model.state_dict().items()}
    state["model.model.transformer.rotary_pos_emb.inv_freq"] = torch.zeros(4)
    state["pretransform.model.encoder.layers.0.bias"] = torch.zeros(3)
    state["conditioner.conditioners.seconds_start.embedder.embedding.0.weights"] = torch.ones(2)
    return state


def test_a_published_file_gives_the_same_weights() -> None:
    model = loaded()
    state = as_published(model)
    again = FORMAT.rename(state)
    assert again.keys() == model.state_dict().keys()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())
    assert list(seconds_rename(state)) == ["seconds_start.embedder.embedding.0.weights"]
    old = {key: value for key, value in state.items() if not key.endswith(".beta")}
    assert rename(old).keys() == again.keys()
    assert not any(value.any() for key, value in rename(old).items() if key.endswith(".beta"))


def test_diffusers_conditioners_bear_other_names() -> None:
    state = {"end_number_conditioner.time_positional_embedding.1.bias": torch.ones(2)}
    assert list(seconds_rename(state)) == ["seconds_total.embedder.embedding.1.bias"]


def test_an_attention_that_lacks_a_part_is_told() -> None:
    state = dict(GOLDEN.state)
    del state["transformer_blocks.1.attn2.to_v.weight"]
    with pytest.raises(
        ValueError, match=r"transformer\.layers\.1\.cross_attn\.to_v\.weight must be"
    ):
        rename(state)


def test_rotations_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    q, k = (torch.randn(1, 1, 1, 12).expand(1, 1, 9, 12) for _ in range(2))
    table = positions(9, 8, torch.device("cpu"))
    turned, other = rotate(q, *table), rotate(k, *table)
    products = turned[0, 0] @ other[0, 0].T
    for distance in (0, 3):
        row = products.diagonal(distance)
        torch.testing.assert_close(row, row[:1].expand_as(row), atol=1e-5, rtol=1e-5)
    assert not torch.isclose(products[0, 0], products[0, 3])
    assert torch.equal(turned[..., 8:], q[..., 8:])


def test_what_is_added_after_a_block_reaches_those_that_follow() -> None:
    model = loaded()
    x, t = GOLDEN.input("latents"), torch.tensor(GOLDEN.meta["times"])
    rest = GOLDEN.input("tokens"), GOLDEN.input("overall")
    plain = predicted(model)
    with torch.inference_mode():
        nothing = model(x, t, *rest, control=[torch.zeros(2, 14, 64)] * 2)
        last = model(x, t, *rest, control=[torch.zeros(2, 14, 64)] * 2 + [torch.ones(2, 14, 64)])
    assert torch.equal(nothing, plain)
    projected = model.transformer.project_out(torch.ones(1, 1, 64)).transpose(1, 2)
    added = model.postprocess_conv(projected) + projected
    torch.testing.assert_close(last - plain, added.expand_as(plain), atol=1e-4, rtol=1e-4)


def test_the_published_sizes() -> None:
    with torch.device("meta"):
        model = StableAudio(CONFIGS["full"])
    assert sum(p.numel() for p in model.parameters()) == 1_056_828_544
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert shapes["transformer.layers.23.self_attn.to_qkv.weight"] == (4608, 1536)
    assert shapes["transformer.layers.0.cross_attn.to_kv.weight"] == (1536, 768)
    assert shapes["transformer.layers.0.ff.ff.0.proj.weight"] == (12_288, 1536)
    assert shapes["timestep_features.weight"] == (128, 1)
    assert from_published() == CONFIGS["full"]


def test_wrong_shapes_and_settings_are_told() -> None:
    model = StableAudio(CONFIGS["tiny"])
    with pytest.raises(ValueError, match=r"latents must be \[B, 4, L\], got \[1, 3, 5\]"):
        model(torch.zeros(1, 3, 5), torch.zeros(1), torch.zeros(1, 2, 16))
    with pytest.raises(ValueError, match=r"overall must be \[2, 64\], got None"):
        loaded()(torch.zeros(2, 6, 5), torch.zeros(2), torch.zeros(2, 1, 32))
    for name, value, words in (
        ("heads", 3, "width must be a multiple"),
        ("condition", 24, "condition must hold heads"),
        ("fourier", 7, "fourier must be even"),
        ("depth", 0, "depth must be ≥ 1"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(CONFIGS["tiny"], **{name: value})
