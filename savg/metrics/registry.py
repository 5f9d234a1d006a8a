"""Every metric by name: to add one, write its file and add a line here.

The order is that of tables. A module is imported when its metric is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from savg.errors import SavgError
from savg.metrics.base import Metric, Need

METRICS: dict[str, str] = {
    "speech_f_score": "savg.metrics.sound_detection:SpeechFScore",
    "instrument_f_score": "savg.metrics.sound_detection:InstrumentFScore",
    "seld_er": "savg.metrics.seld_savgbench:SeldErrorRate",
    "seld_f": "savg.metrics.seld_savgbench:SeldFScore",
    "seld_le": "savg.metrics.seld_savgbench:SeldLocalisationError",
    "seld_lr": "savg.metrics.seld_savgbench:SeldLocalisationRecall",
    "person_ap50": "savg.metrics.person_detection:PersonAp50",
    "spatial_av_align": "savg.metrics.spatial:SpatialAvAlign",
    "spatial_off_centre": "savg.metrics.spatial:SpatialOffCentre",
    "spatial_corrected": "savg.metrics.spatial_corrected:SpatialCorrected",
    "spatial_same_frame": "savg.metrics.spatial_same_frame:SpatialSameFrame",
    "spatial_any": "savg.metrics.spatial_any:SpatialAny",
    "spatial_any_class": "savg.metrics.spatial_any:SpatialAnyClass",
    "pixel_error": "savg.metrics.pixel_error:PixelError",
    "pixel_bias": "savg.metrics.pixel_bias:PixelBias",
    "trajectory_within": "savg.metrics.trajectory:TrajectoryWithin",
    "trajectory_pooled": "savg.metrics.trajectory:TrajectoryPooled",
    "temporal_av_align": "savg.metrics.temporal_av_align:TemporalAvAlign",
    "temporal_av_align_matched": "savg.metrics.temporal_av_align:TemporalAvAlignMatched",
    "desync": "savg.metrics.desync:Desync",
    "ib-style": "savg.metrics.ib_style:IbStyle",
    "e_l1": "savg.metrics.e_l1:EL1",
    "ild": "savg.metrics.stereo:Ild",
    "itd": "savg.metrics.itd:Itd",
    "coherence": "savg.metrics.stereo:Coherence",
    "width": "savg.metrics.stereo:Width",
    "balance": "savg.metrics.stereo:Balance",
    "mono_compatibility": "savg.metrics.stereo:MonoCompatibility",
    "fake_stereo": "savg.metrics.fake_stereo:FakeStereo",
    "ild_error": "savg.metrics.track_error:IldError",
    "pan_error": "savg.metrics.track_error:PanError",
    "pan_spread": "savg.metrics.pan:PanSpread",
    "pan_person": "savg.metrics.pan_agreement:PanAndPerson",
    "pan_motion": "savg.metrics.pan_agreement:PanAndMotion",
    "person_share": "savg.metrics.person_share:PersonShare",
    "nearest_clip": "savg.metrics.nearest_clip:NearestClip",
    "events_per_clip": "savg.metrics.events_per_clip:EventsPerClip",
    "fvd": "savg.metrics.video_distances:Fvd",
    "kvd": "savg.metrics.video_distances:Kvd",
    "fvd-r3d18": "savg.metrics.video_distances:FvdR3d18",
    "kvd-r3d18": "savg.metrics.video_distances:KvdR3d18",
    "fvd-mvit": "savg.metrics.video_distances:FvdMvit",
    "kvd-mvit": "savg.metrics.video_distances:KvdMvit",
    "fvd-s3d": "savg.metrics.video_distances:FvdS3d",
    "kvd-s3d": "savg.metrics.video_distances:KvdS3d",
    "fvd-yolox": "savg.metrics.video_distances:FvdYolox",
    "kvd-yolox": "savg.metrics.video_distances:KvdYolox",
    "fad-audioclip": "savg.metrics.audio_distances:FadAudioClip",
    "fad-vggish": "savg.metrics.audio_distances:FadVggish",
    "fad-clap": "savg.metrics.audio_distances:FadClap",
    "fad-seld": "savg.metrics.audio_distances:FadSeld",
    "kad-audioclip": "savg.metrics.audio_distances:KadAudioClip",
    "kad-vggish": "savg.metrics.audio_distances:KadVggish",
    "kad-clap": "savg.metrics.audio_distances:KadClap",
    "kad-seld": "savg.metrics.audio_distances:KadSeld",
    "favd": "savg.metrics.favd:Favd",
}
"""name → module:class."""


def metric_class(name: str) -> type[Metric]:
    """The class of a registered metric.

    Raises SavgError, which lists the registered names, for any other name.
    """
    if name not in METRICS:
        raise SavgError(f"Metric must be one of {', '.join(METRICS)}, got {name!r}.")
    module, attribute = METRICS[name].split(":")
    metric: type[Metric] = getattr(importlib.import_module(module), attribute)
    return metric


def metric_classes(
    names: Sequence[str] | None, available: Iterable[Need]
) -> dict[str, type[Metric]]:
    """Metric classes by name, in the order of `names` or of the registry.

    Args:
        names: of registered metrics; None: every metric whose needs are all available and that needs
            no backbone, whose weights may not be here (`savg.evaluation.selection` looks).
        available: inputs that the caller can provide.

    Raises:
        SavgError: a name is not registered, or a metric needs an input that is not available.

    Example:
        >>> metric_classes(None, {Need.SOUNDS}).keys()
        dict_keys(['events_per_clip'])
    """
    inputs = frozenset(available)
    classes = {name: metric_class(name) for name in (METRICS if names is None else names)}
    if names is None:
        return {
            name: metric
            for name, metric in classes.items()
            if metric.needs <= inputs and not metric.backbones
        }
    for name, metric in classes.items():
        if missing := sorted(metric.needs - inputs):
            raise SavgError(
                f"The metric {name} needs {', '.join(missing)}, which is not available."
            )
    return classes
