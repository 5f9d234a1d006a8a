"""The files that authors have released, by name: which kind of weights each holds.

Used by `savg weights import`, and by the sentences that say which file to bring.
"""

from __future__ import annotations

PUBLISHED_FILES = {
    "model330011.pt": "joint_unet",
    "model_SR_mmdiff_120000.pt": "superres_unet",
    "params_swa_20240912162834_0040000.pth": "seld",
    "yolox_tiny_8x8_300e_coco_20211124_171234-b4047906.pth": "yolox",
    "mmaudio_small_16k.pth": "mmaudio",
    "mmaudio_small_44k.pth": "mmaudio",
    "mmaudio_medium_44k.pth": "mmaudio",
    "mmaudio_large_44k.pth": "mmaudio",
    "mmaudio_large_44k_v2.pth": "mmaudio",
    "v1-16.pth": "mel_vae",
    "v1-44.pth": "mel_vae",
    "best_netG.pt": "bigvgan",
    "synchformer_state_dict.pth": "synchformer",
    "AudioCLIP-Full-Training.pt": "audioclip",
    "AudioCLIP-Partial-Training.pt": "audioclip",
    "vggish-10086976.pth": "vggish",
    "i3d_pretrained_400.pt": "i3d",
    "rgb_imagenet.pt": "i3d",
}
"""Name of a released file → kind; the first four come in SAVGBench_PretrainedModels_V1.zip, those of
MMAudio are mono."""

VARIANTS = {
    "mmaudio_small_44k.pth": "small_44k",
    "mmaudio_medium_44k.pth": "medium_44k",
    "mmaudio_large_44k.pth": "large_44k",
    "mmaudio_large_44k_v2.pth": "large_44k_v2",
    "v1-44.pth": "44k",
}
"""Name of a released file → variant, where it is not the default one."""

FOLDER_NAMES = {"joint_unet": "joint", "superres_unet": "superres"}
"""Kind → its component folder, where the names differ."""

WHOLES = {"stereosync": ("stereosync", "oobleck")}
"""Kind → kinds of all the networks that its published file holds: that of stable-audio-open-1.0, whose
name, model.safetensors, tells nothing."""

METRIC_FILES = {"synchformer_state_dict.pth": "synchformer_sync"}
"""Name of a released file of which pipelines use a part → kind of the whole, which metrics use."""

METRIC_KINDS = {
    "synchformer_sync": "Synchformer, when things are seen and heard",
    "audioclip": "AudioCLIP's audio branch",
    "vggish": "VGGish",
    "i3d": "Inception I3D, Kinetics-400 logits, for FVD and KVD",
}
"""Kind → what it is, of the networks that metrics use: `weights import` puts them where metrics look,
unless told another folder."""

DETECTOR_KINDS = {"yolox": "YOLOX-tiny, the published person detector"}
"""Kind → what it is, of the networks that detectors look for where metrics look: `weights import` puts
them there too, unless told another folder."""


def importable() -> list[str]:
    """The kinds of all files that can be imported."""
    return sorted({*PUBLISHED_FILES.values(), *METRIC_FILES.values(), *WHOLES})


def folder_name(kind: str) -> str:
    """The name of a kind's component folder."""
    return FOLDER_NAMES.get(kind, kind)


def files_of(kind: str) -> list[str]:
    """The names of the released files of a kind."""
    files = (*PUBLISHED_FILES.items(), *METRIC_FILES.items())
    return [name for name, other in files if other == kind]


def kind_of(file: str, for_metrics: bool = False) -> str | None:
    """The kind of a released file by its name, for pipelines or for metrics; None for another name."""
    return (METRIC_FILES.get(file) if for_metrics else None) or PUBLISHED_FILES.get(file)
