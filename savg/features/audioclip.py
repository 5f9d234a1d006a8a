"""AudioCLIP's audio embeddings of clips."""

from __future__ import annotations

from torch import Tensor, nn

from savg.models.audioclip import AudioClip, batch_statistics

__all__ = ["official_embeddings"]


def official_embeddings(network: nn.Module, audio: Tensor) -> Tensor:
    """Embeddings [B, 1024] of audio [B, 2, T] at 44.1 kHz as the published evaluator has them [code].

    float32; batch normalisation takes the statistics of this very batch, so that a clip's embedding
    depends on the others; samples in −1..1 go in as they are, though the network expects integers of
    16 bits; the features of the channels are added, so that a swap of them changes nothing. The
    network itself stays as it is.

    Raises:
        ValueError: another network, number format or shape, or fewer than two clips, of which the
            published network cannot take statistics.
    """
    if not isinstance(network, AudioClip):
        raise ValueError(f"the network must be AudioCLIP's, got {type(network).__name__}")
    if audio.ndim != 3 or len(audio) < 2:
        raise ValueError(f"audio must be [B, C, T] of ≥ 2 clips, got {list(audio.shape)}")
    weight = network.fc.weight
    if str(weight.dtype) != "torch.float32":
        raise ValueError(f"the network must be float32, got {weight.dtype}")
    with batch_statistics(network):
        return network(audio.to(weight))
