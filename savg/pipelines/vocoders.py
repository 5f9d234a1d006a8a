"""The networks that pipelines make waveforms of mel spectrograms with."""

from __future__ import annotations

from typing import TypeAlias

from savg.models.bigvgan import BigVgan
from savg.models.griffin_lim import GriffinLim
from savg.models.harmonic_vocoder import HarmonicVocoder
from savg.models.istft_vocoder import IstftVocoder

Vocoder: TypeAlias = BigVgan | IstftVocoder | GriffinLim | HarmonicVocoder

VOCODERS: dict[type, str] = {
    BigVgan: "bigvgan",
    IstftVocoder: "istft_vocoder",
    GriffinLim: "griffin_lim",
    HarmonicVocoder: "harmonic_vocoder",
}
"""Networks from mel spectrograms to waveforms, and the kinds of their weights."""
