"""StereoSync's tokens: the published number conditioner, sequences in order, what is withheld."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from savg.models.stereosync_tokens import (
    CONFIGS,
    COORDINATES,
    ConditionTokens,
    NumberConditioner,
    TokenConfig,
)
from tests.goldens import case


def test_the_published_number_conditioner() -> None:
    golden = case("number_conditioner")
    built = golden.meta["constructor"]
    model = NumberConditioner(
        built["output_dim"], built["min_val"], built["max_val"], built["fourier_dim"]
    )
    model.load_state_dict(golden.state, strict=True)
    assert sum(p.numel() for p in model.parameters()) == golden.meta["n_parameters"]
    numbers = torch.from_numpy(golden["in__numbers"])
    golden.check("embedding", model(numbers)[:, None])


def test_numbers_are_embedded_as_the_formula_says() -> None:
    torch.manual_seed(0)
    model = NumberConditioner(3, least=-2.0, most=6.0, fourier=4).double()
    numbers = torch.tensor([[-9.0, 1.0], [6.0, 8.0]])
    embedding = model(numbers).detach().numpy()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    w = state["embedder.embedding.0.weights"]
    for index in np.ndindex(2, 2):
        u = (min(max(float(numbers[index]), -2), 6) + 2) / 8
        row = np.concatenate([[u], np.sin(2 * np.pi * u * w), np.cos(2 * np.pi * u * w)])
        expected = state["embedder.embedding.1.weight"] @ row + state["embedder.embedding.1.bias"]
        assert embedding[index] == pytest.approx(expected, abs=1e-9)


@pytest.fixture
def tokens() -> ConditionTokens:
    torch.manual_seed(0)
    return ConditionTokens(CONFIGS["tiny"]).eval()


def test_boxes_are_four_sequences_and_depth_and_audio_follow(tokens: ConditionTokens) -> None:
    c = tokens.config
    boxes = torch.rand(2, c.frames, 4) * 256
    depth, audio = torch.randn(2, c.maps, c.depth_width), torch.randn(2, c.audio_width)
    result = tokens(boxes, depth, audio)
    assert result.shape == (2, c.tokens, c.width) and c.tokens == 4 * 4 + 2 + 1
    for i, name in enumerate(COORDINATES):
        own = tokens.boxes[name](boxes[:, :, i])
        torch.testing.assert_close(result[:, 4 * i : 4 * i + 4], own)
    torch.testing.assert_close(result[:, 16:18], tokens.depth(depth))
    torch.testing.assert_close(result[:, 18], tokens.audio(audio))


def test_what_is_withheld_is_zeros_and_changes_nothing_else(tokens: ConditionTokens) -> None:
    c = tokens.config
    boxes = torch.rand(1, c.frames, 4) * 256
    boxes[0, 2] = torch.nan
    depth = torch.randn(1, c.maps, c.depth_width)
    whole, without = tokens(boxes, depth), tokens(None, depth)
    assert not whole[0, [2, 6, 10, 14]].any() and whole[0, [1, 5, 9, 13]].all(dim=1).all()
    assert not without[0, :16].any() and not whole[0, 18].any()
    torch.testing.assert_close(whole[:, 16:], without[:, 16:])
    assert tokens(batch=3).shape == (3, c.tokens, c.width) and not tokens().any()
    assert torch.isfinite(whole).all()


def test_all_that_is_given_is_learned_from(tokens: ConditionTokens) -> None:
    c = tokens.config
    tokens(
        torch.rand(1, c.frames, 4),
        torch.ones(1, c.maps, c.depth_width),
        torch.ones(1, c.audio_width),
    ).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in tokens.parameters())


def test_wrong_shapes_and_settings_are_told(tokens: ConditionTokens) -> None:
    with pytest.raises(ValueError, match=r"boxes must have shape \(1, 4, 4\), got \(1, 5, 4\)"):
        tokens(torch.zeros(1, 5, 4))
    with pytest.raises(ValueError, match=r"audio must have shape \(2, 5\), got \(1, 5\)"):
        tokens(torch.zeros(2, 4, 4), audio=torch.zeros(1, 5))
    for change, words in (
        ({"fourier": 7}, "even"),
        ({"most": 0.0}, "below most"),
        ({"maps": 0}, "maps"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(CONFIGS["tiny"], **change)  # type: ignore[arg-type]


def test_the_published_sizes() -> None:
    assert TokenConfig().tokens == 4 * 60 + 8 + 1
    with torch.device("meta"):
        model = ConditionTokens(TokenConfig())
    expected = 4 * 198_272 + 768 * 768 + 768 + 512 * 768 + 768
    assert sum(p.numel() for p in model.parameters()) == expected
