"""The same person detector run by mmdet, as the published evaluation ran it [S1].

Needs the extra `mmdet` (mmdet, mmcv compiled with its operators, mmengine). Everything but the
weights is mmdet's own: resizing, padding, network, decoding, NMS. Units: as `savg.detectors.persons`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from savg.annotation import PERSON, Boxes
from savg.clip import Clip
from savg.detectors.frames import FRAME_SIZE, known_categories
from savg.detectors.persons import load_persons
from savg.extras import import_extra
from savg.models.yolox import STRIDES, Yolox, YoloxConfig
from savg.models.yolox_boxes import PAD_VALUE

__all__ = ["MmdetDetector", "image_pipeline", "model_config"]


def model_config(config: YoloxConfig) -> dict[str, Any]:
    """mmdet's description of the network that `config` describes."""
    normalisation = {"type": "BN", "momentum": 0.03, "eps": config.bn_eps}
    return {
        "type": "YOLOX",
        "data_preprocessor": {"type": "DetDataPreprocessor", "pad_size_divisor": 32},
        "backbone": {
            "type": "CSPDarknet",
            "deepen_factor": config.deepen_factor,
            "widen_factor": config.widen_factor,
            "out_indices": (2, 3, 4),
            "spp_kernal_sizes": config.spp,
            "norm_cfg": normalisation,
        },
        "neck": {
            "type": "YOLOXPAFPN",
            "in_channels": list(config.widths[2:]),
            "out_channels": config.neck_out,
            "num_csp_blocks": config.num_csp_blocks,
            "norm_cfg": normalisation,
        },
        "bbox_head": {
            "type": "YOLOXHead",
            "num_classes": config.num_classes,
            "in_channels": config.neck_out,
            "feat_channels": config.feat_channels,
            "stacked_convs": config.stacked_convs,
            "strides": STRIDES,
            "norm_cfg": normalisation,
        },
        "test_cfg": {"score_thr": 0.01, "nms": {"type": "nms", "iou_threshold": 0.65}},
    }


def image_pipeline(config: YoloxConfig) -> list[dict[str, Any]]:
    """mmdet's steps from a BGR image to the network's input."""
    size = config.input_size[::-1]
    facts = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    return [
        {"type": "LoadImageFromNDArray"},
        {"type": "Resize", "scale": size, "keep_ratio": True},
        {"type": "Pad", "size": size, "pad_val": {"img": (PAD_VALUE,) * 3}},
        {"type": "PackDetInputs", "meta_keys": facts},
    ]


class MmdetDetector:
    """Detects persons, or other objects too, in a clip with mmdet: `detector(clip) -> Boxes`."""

    def __init__(
        self,
        model: Yolox,
        score_threshold: float = 0.3,
        device: str | None = None,
        batch_size: int = 20,
        categories: Collection[int] = (PERSON,),
    ) -> None:
        build, compose = _import_mmdet()
        self.config = model.config
        self.known = known_categories(model.config.num_classes, categories)
        self.score_threshold = score_threshold
        self.batch_size = batch_size
        self.pipeline = compose(image_pipeline(model.config))
        self.model = build(model_config(model.config))
        self.model.load_state_dict(model.state_dict(), strict=True)
        target_device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = self.model.to(target_device).eval()

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str] = "demo",
        score_threshold: float = 0.3,
        device: str | None = None,
        categories: Collection[int] = (PERSON,),
    ) -> MmdetDetector:
        """The detector of the sources that `YoloxDetector.from_pretrained` takes.

        Raises SavgError where mmdet is not installed, CheckpointError for wrong weights.
        """
        _import_mmdet()
        return cls(load_persons(source), score_threshold, device, categories=categories)

    def __call__(self, clip: Clip) -> Boxes:
        format = clip.format
        top, bottom = (format.top, format.bottom) if self.config.picture_only else (0, format.size)
        tables = []
        for frame, instances in enumerate(self._predict(clip.video[:, top:bottom, :, ::-1])):
            xyxy = instances.bboxes.cpu().numpy().astype(np.float64) + np.array([0, top, 0, top])
            scores, labels = instances.scores.cpu().numpy(), instances.labels.cpu().numpy()
            keep = np.isin(labels, self.known) & (scores > self.score_threshold)
            tables.append((np.full(keep.sum(), frame), xyxy[keep], scores[keep], labels[keep]))
        if not tables:
            return Boxes.empty()
        columns = zip(*tables, strict=True)
        frames, xyxy, scores, labels = (np.concatenate(column) for column in columns)
        return Boxes(frames, labels, xyxy * (FRAME_SIZE / format.size), scores)

    @torch.inference_mode()
    def _predict(self, frames: NDArray[np.uint8]) -> Sequence[Any]:
        """mmdet's instances (bboxes, scores, labels) of each BGR frame, in its pixels."""
        results: list[Any] = []
        for first in range(0, len(frames), self.batch_size):
            chunk = frames[first : first + self.batch_size]
            packed = [
                self.pipeline({"img": np.ascontiguousarray(p), "img_id": first + i})
                for i, p in enumerate(chunk)
            ]
            samples = [p["data_samples"] for p in packed]
            predicted = self.model.test_step(
                {"inputs": [p["inputs"] for p in packed], "data_samples": samples}
            )
            results.extend(sample.pred_instances for sample in predicted)
        return results


def _import_mmdet() -> tuple[Callable[[dict[str, Any]], Any], Callable[[list], Any]]:
    """mmdet's builders of networks and image pipelines; SavgError without mmdet."""
    purpose = "The detector 'mmdet' (see tests/mmdet/build.sh)"
    modules = ("mmdet.registry", "mmdet.utils", "mmcv.ops", "mmcv.transforms", "mmengine.config")
    registry, utils, _, transforms, config = (import_extra(name, purpose) for name in modules)
    utils.register_all_modules(init_default_scope=True)
    return (
        lambda settings: registry.MODELS.build(config.ConfigDict(settings)),
        transforms.Compose,
    )
