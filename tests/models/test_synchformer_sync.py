"""The whole synchronisation network: names and shapes of the public code, its parts against libraries.

No output of the published weights is at hand: what these tests pin down is the structure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel

from savg.errors import CheckpointError
from savg.hub import load_official
from savg.models.spectrogram_transformer import AudioEncoder, SpectrogramConfig, log_mel
from savg.models.synchformer import Synchformer
from savg.models.synchformer_sync import (
    CONFIGS,
    SEGMENT_SAMPLES,
    STEP_SAMPLES,
    OffsetTransformer,
    SyncConfig,
    SynchformerSync,
    from_published,
)

TINY = CONFIGS["tiny"]


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """A module in evaluation mode with every parameter random."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    return module.eval()


def tiny() -> SynchformerSync:
    model = filled(SynchformerSync(TINY))
    assert isinstance(model, SynchformerSync)
    return model


def linear(name: str, out: int, width: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [out, width], f"{name}.bias": [out]}


def norm(name: str) -> dict[str, list[int]]:
    return {f"{name}.weight": [768], f"{name}.bias": [768]}


def pooling(name: str) -> dict[str, list[int]]:
    """An encoder layer of torch with a learned token."""
    return {
        f"{name}.cls_token": [1, 1, 768],
        f"{name}.self_attn.in_proj_weight": [2304, 768],
        f"{name}.self_attn.in_proj_bias": [2304],
        **linear(f"{name}.self_attn.out_proj", 768, 768),
        **linear(f"{name}.linear1", 3072, 768),
        **linear(f"{name}.linear2", 768, 3072),
        **norm(f"{name}.norm1"),
        **norm(f"{name}.norm2"),
    }


def published_shapes() -> dict[str, list[int]]:
    """Names and shapes beyond the visual encoder, written down from the public code and `sync.yaml`."""
    audio = "afeat_extractor.ast"
    shapes: dict[str, list[int]] = {
        f"{audio}.embeddings.cls_token": [1, 1, 768],
        f"{audio}.embeddings.distillation_token": [1, 1, 768],
        f"{audio}.embeddings.position_embeddings": [1, 2 + 12 * 6, 768],
        f"{audio}.embeddings.patch_embeddings.projection.weight": [768, 1, 16, 16],
        f"{audio}.embeddings.patch_embeddings.projection.bias": [768],
        **norm(f"{audio}.layernorm"),
        **pooling("afeat_extractor.freq_attn_agg"),
        **linear("vproj", 768, 768),
        **linear("aproj", 768, 768),
        "transformer.OFF_tok": [1, 1, 768],
        "transformer.MOD_tok": [1, 1, 768],
        "transformer.pos_emb_cfg.pos_emb": [1, 198, 768],
        **norm("transformer.vis_in_lnorm"),
        **norm("transformer.aud_in_lnorm"),
        **norm("transformer.ln_f"),
        **linear("transformer.off_head", 21, 768),
    }
    for layer in (f"{audio}.encoder.layer.{i}" for i in range(12)):
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.attention.{part}", 768, 768)
        shapes |= linear(f"{layer}.attention.output.dense", 768, 768)
        shapes |= linear(f"{layer}.intermediate.dense", 3072, 768)
        shapes |= linear(f"{layer}.output.dense", 768, 3072)
        shapes |= norm(f"{layer}.layernorm_before") | norm(f"{layer}.layernorm_after")
    for block in (f"transformer.blocks.{i}" for i in range(3)):
        for part in ("key", "query", "value", "proj"):
            shapes |= linear(f"{block}.attn.{part}", 768, 768)
        shapes |= linear(f"{block}.mlp.0", 3072, 768) | linear(f"{block}.mlp.2", 768, 3072)
        shapes |= norm(f"{block}.ln1") | norm(f"{block}.ln2")
    return shapes


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        state = SynchformerSync(CONFIGS["full"]).state_dict()
    beyond = {
        key: list(value.shape)
        for key, value in state.items()
        if not key.startswith("vfeat_extractor.")
    }
    assert beyond == published_shapes()
    unused = 768 * 3 * 16 * 16 + 768
    size = 4 * (sum(value.numel() for value in state.values()) + unused)
    assert 940e6 < size < 955e6  # the published file is listed as about 950 MB (907 MiB)
    assert CONFIGS["full"] == SyncConfig() == from_published(None)
    assert (SEGMENT_SAMPLES, STEP_SAMPLES) == (10_240, 5_120)


@torch.no_grad()
def test_the_audio_transformer_is_the_librarys() -> None:
    config = replace(TINY.audio, depth=3, embed_dim=24, heads=4)
    encoder = filled(AudioEncoder(config))
    assert isinstance(encoder, AudioEncoder)
    theirs = ASTModel(
        ASTConfig(
            hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
            max_length=66, num_mel_bins=128, layer_norm_eps=1e-12,
        )
    ).eval()  # fmt: skip
    ours = {_theirs(key): value for key, value in encoder.ast.state_dict().items()}
    names = {_theirs(key): key for key in theirs.state_dict()}
    theirs.load_state_dict({names[key]: value for key, value in ours.items()})
    x = torch.randn(2, 66, 128)
    torch.testing.assert_close(encoder.ast(x), theirs(x).last_hidden_state)


def _theirs(key: str) -> str:
    """A parameter's name without what versions of the library call differently."""
    for old, new in (("encoder.layer.", "layers."), ("attention.attention.", "attention."),
                     ("attention.output.dense", "attention.o_proj"), ("query", "q_proj"),
                     ("key", "k_proj"), ("value", "v_proj"), ("intermediate.dense", "mlp.fc1"),
                     ("output.dense", "mlp.fc2")):  # fmt: skip
        key = key.replace(old, new)
    return key


def test_spectrograms_are_scipys() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, (3, SEGMENT_SAMPLES)).astype(np.float32)
    window = np.pad(scipy.signal.get_window("hann", 400), 312)
    padded = np.pad(audio, ((0, 0), (512, 512)), mode="reflect").astype(np.float64)
    _, _, spectra = scipy.signal.stft(
        padded, 16_000, window, 1024, 864, boundary=None, padded=False
    )
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 130) / 2595) - 1)
    hertz = np.arange(513) * 16_000 / 1024
    bands = np.stack([np.interp(hertz, edges[b : b + 3], [0, 1, 0]) for b in range(128)])
    power = bands @ np.abs(spectra * window.sum()) ** 2
    assert power.shape == (3, 128, 65)
    expected = np.pad(np.log(power + 1e-6), ((0, 0), (0, 0), (0, 1)))  # a zero, not silence
    expected = (expected + 4.2677393) / (2 * 4.5689974)
    spectra = log_mel(torch.from_numpy(audio))
    assert spectra.shape == (3, 66, 128)
    np.testing.assert_allclose(spectra.mT.numpy(), expected, atol=2e-4)


@torch.no_grad()
def test_audio_features_are_pooled_over_frequency_at_each_time() -> None:
    encoder = filled(AudioEncoder(SpectrogramConfig(embed_dim=12, depth=1, heads=2)))
    seen: list[Tensor] = []
    encoder.freq_attn_agg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(2, 66, 128)
    features = encoder(x)
    assert features.shape == (2, 6, 12)
    tokens = encoder.ast(x)[:, 2:]  # frequency by frequency, 6 times each
    for segment in range(2):
        for time in range(6):
            places = tokens[segment, time::6]
            torch.testing.assert_close(seen[0][segment * 6 + time], places)
            alone = encoder.freq_attn_agg(places[None])[0]
            torch.testing.assert_close(features[segment, time], alone)
    with pytest.raises(ValueError, match=r"x must be \[N, 66, 128\], got \[2, 128, 66\]"):
        encoder(x.mT)


@torch.no_grad()
def test_the_offset_transformer_is_torchs_encoder_layers() -> None:
    config = replace(TINY, segments=2)
    ours = filled(OffsetTransformer(config))
    visual, audio = torch.randn(3, 16, 12), torch.randn(3, 12, 12)
    norm_v = nn.functional.layer_norm(visual, (12,), *ours.vis_in_lnorm.parameters())
    norm_a = nn.functional.layer_norm(audio, (12,), *ours.aud_in_lnorm.parameters())
    off, mod = (token.expand(3, 1, 12) for token in (ours.OFF_tok, ours.MOD_tok))
    x = torch.cat((off, norm_v, mod, norm_a), 1) + ours.pos_emb_cfg.pos_emb
    assert x.shape[1] == config.tokens == 2 + 2 * (8 + 6)
    for block in ours.blocks:
        layer = nn.TransformerEncoderLayer(
            12, 2, 48, 0.0, "gelu", batch_first=True, norm_first=True
        ).eval()
        attn = block.attn
        state = {
            "self_attn.in_proj_weight": [attn.query.weight, attn.key.weight, attn.value.weight],
            "self_attn.in_proj_bias": [attn.query.bias, attn.key.bias, attn.value.bias],
        }
        own = {key: torch.cat(parts) for key, parts in state.items()}
        for theirs, part in (("self_attn.out_proj", attn.proj), ("linear1", block.mlp[0]),
                             ("linear2", block.mlp[2]), ("norm1", block.ln1),
                             ("norm2", block.ln2)):  # fmt: skip
            own |= {f"{theirs}.{key}": value for key, value in part.state_dict().items()}
        layer.load_state_dict(own)
        x = layer(x)
    expected = ours.off_head(nn.functional.layer_norm(x[:, 0], (12,), *ours.ln_f.parameters()))
    torch.testing.assert_close(ours(visual, audio), expected)


@torch.no_grad()
def test_segments_of_frames_and_of_audio_are_at_the_same_times() -> None:
    model = tiny()
    video, audio = torch.randn(1, 125, 3, 16, 16), torch.randn(1, 80_000) * 0.1
    audio[:, :30_000] = 0
    visual, heard = model.visual_features(video), model.audio_features(audio)
    assert visual.shape == (1, 14, 8, 12) and heard.shape == (1, 14, 6, 12)
    later = model.audio_features(audio[:, 3 * STEP_SAMPLES : 3 * STEP_SAMPLES + SEGMENT_SAMPLES])
    torch.testing.assert_close(heard[:, 3:4], later)
    assert 3 * STEP_SAMPLES / 16_000 == 3 * 8 / 25
    encoder = Synchformer(TINY.visual).eval()
    encoder.vfeat_extractor.load_state_dict(model.vfeat_extractor.state_dict())
    torch.testing.assert_close(visual.flatten(1, 2), encoder(video))
    torch.testing.assert_close(model.visual_features(video, at_once=3), visual)
    logits = model(visual, heard)
    assert logits.shape == (1, 21)
    both = model(visual.repeat(2, 1, 1, 1), torch.cat((heard, heard.flip(1))))
    torch.testing.assert_close(both[:1], logits)
    assert (both[1] - logits[0]).abs().max() > 1e-3  # the audio's order counts


def test_offsets_are_the_published_grid() -> None:
    offsets = tiny().offsets
    assert offsets.tolist() == pytest.approx([k / 5 for k in range(-10, 11)], abs=1e-12)
    assert offsets[10] == 0.0


def test_wrong_inputs_are_named() -> None:
    model = tiny()
    with pytest.raises(ValueError, match=r"video must be \[B, ≥ 16 frames, 3, H, W\]"):
        model.visual_features(torch.zeros(1, 15, 3, 16, 16))
    with pytest.raises(ValueError, match=r"audio must be .* 10240 samples., got .1, 10239"):
        model.audio_features(torch.zeros(1, 10_239))
    with pytest.raises(ValueError, match="of 14 segments, got 13 and 14"):
        model(torch.zeros(1, 13, 8, 12), torch.zeros(1, 14, 6, 12))
    with pytest.raises(ValueError, match="embed_dim must be one multiple of 2 heads for both"):
        replace(TINY, audio=replace(TINY.audio, embed_dim=24))
    with pytest.raises(ValueError, match="name must be one of full, tiny alone"):
        from_published({"name": "large"})
    with pytest.raises(ValueError, match="bands and frames must be ≥ patch 16, got 128 and 9"):
        SpectrogramConfig(frames=9)


def test_training_reaches_every_parameter() -> None:
    model = tiny().train()
    visual = model.visual_features(torch.randn(1, 120, 3, 16, 16))
    logits = model(visual, model.audio_features(torch.randn(1, 14 * 5120 + 5120)))
    logits.square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


@torch.no_grad()
def test_a_published_file_in_both_of_its_forms(tmp_path) -> None:
    source = tiny()
    state = {
        **source.state_dict(),
        "vfeat_extractor.patch_embed.proj.weight": torch.zeros(12, 3, 8, 8),
        "vfeat_extractor.patch_embed.proj.bias": torch.zeros(12),
    }
    video, audio = torch.randn(1, 125, 3, 16, 16), torch.randn(1, 80_000) * 0.1
    expected = source(source.visual_features(video), source.audio_features(audio))
    for name, saved in (("synchformer_state_dict.pth", state), ("sync.pt", {"model": state})):
        torch.save(saved, tmp_path / name)
        model = load_official("synchformer_sync", tmp_path / name, {"name": "tiny"})
        assert isinstance(model, SynchformerSync)
        logits = model(model.visual_features(video), model.audio_features(audio))
        torch.testing.assert_close(logits, expected)
    visual = {key: value for key, value in state.items() if key.startswith("vfeat_")}
    torch.save(visual, tmp_path / "visual.pth")
    with pytest.raises(CheckpointError, match=r"synchformer_sync: .*visual\.pth .* missing .*ast"):
        load_official("synchformer_sync", tmp_path / "visual.pth", {"name": "tiny"})
