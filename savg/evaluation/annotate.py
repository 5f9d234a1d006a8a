"""Annotation of a clip: persons, sound events, and whether they agree.

`Annotation.to_json()` and the file STEM.json have this form, version 1. Pixels are those of the
256×256 frame, whatever the clip's own size, x growing to the right; left is left.

    {
      "version": 1,
      "format": {"frames": 20, "fps": 4, "seconds": 5.0, "sample_rate": 16000, "size": 256,
                 "picture_height": 144, "top": 56, "bottom": 200, "label_fps": 10},
      "boxes": [{"frame": 0, "category": 0, "x0": 10.5, "y0": 60.0, "x1": 90.0, "y1": 190.2,
                 "score": 0.93}, ...],
      "events": [{"frame": 3, "category": 0, "label": "speech", "x": 131.5, "matched": true}, ...],
      "alignment": {"tp": 12, "fn": 4, "score": 0.75},
      "distance": {"px": 21.3, "degrees": 9.1, "events": 14},
      "warnings": ["Both channels are the same: …", ...],
      "nulls": {"centre": 0.5, "swapped": 0.25, "shuffled": null},
      "levels": {"rate": 20, "left_db": [-31.2, ...], "right_db": [-35.0, ...]},
      "band": {"half_width": 40.0},
      "colors": {"tp": "#RRGGBB", "fn": ..., "person": ..., "person_casing": ..., "left": ...,
                 "right": ...},
      "detectors": {"persons": "...", "sounds": "..."}
    }

- boxes: frame f is on screen from f/fps to (f+1)/fps seconds; category 0 is a person;
  score is null where the detector gives none. Ordered by frame.
- events: frame k sounds from k/label_fps to (k+1)/label_fps seconds; category 0 is speech, 1 is an
  instrument; x may lie outside the frame. `matched` is true for a true positive, false for a
  false negative. In the order of the sound detector.
- alignment.score is null where nothing sounded.
- distance: mean distance of sound events to the middle of the nearest person, in pixels and in degrees
  of azimuth, over the events during which somebody is in the frame; null where there is none.
- warnings: sentences that must stand beside the score.
- nulls: the chance baselines, scores of the same boxes with every sound event at the centre, with left
  and right swapped, and with the events of other clips (null for a clip by itself); null where nothing
  sounded.
- levels: entry i is the RMS from i/rate to (i+1)/rate seconds in dB below full scale, at least -80.
- band.half_width: pixels on either side of an event's x within which a person counts.
- detectors: names and weights of the detectors, and how far to trust them; any may be missing.
- colors: those of the overlay video, for players that are to look the same.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savg.annotation import MARGIN, PERSON, Alignment, Boxes, SoundEvents
from savg.audio.levels import levels_db
from savg.clip import Clip
from savg.errors import SavgError
from savg.evaluation.observe import Detectors, observe
from savg.format import SAVGBENCH, ClipFormat
from savg.metrics.pixel_error import Distance, mean_distance
from savg.metrics.spatial import chance_baselines, spatial_av_align
from savg.temporary import remove_abandoned_once, temporary_path
from savg.viz import palette
from savg.viz.overlay import overlay_fps, write_overlay

VERSION = 1
"""Version of the JSON form; raised when a reader of the old form would misunderstand the new one."""


MONO = "Both channels are the same (mono): the audio says nothing about left and right."
NOBODY = "Nobody was detected, so nothing was measured: the sound events have no person to be near."
UNINFORMATIVE = (
    "This score is uninformative: with every sound at the centre it would be {centre:.2f}."
)


@dataclass(frozen=True, eq=False)
class Annotation:
    """A clip with its detected persons and sound events, and how well they agree.

    alignment has one row for each event; nulls are the chance baselines by name (None where undefined);
    detectors: their names and weights. ValueError for an alignment of another length.
    """

    clip: Clip
    boxes: Boxes
    events: SoundEvents
    alignment: Alignment
    nulls: Mapping[str, float | None] = field(default_factory=dict)
    detectors: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.alignment.matched) != len(self.events):
            raise ValueError(
                f"The alignment must have {len(self.events)} rows, one for each sound event, "
                f"got {len(self.alignment.matched)}."
            )

    @property
    def format(self) -> ClipFormat:
        """The clip's format."""
        return self.clip.format

    @property
    def levels(self) -> NDArray[np.float64]:
        """RMS level [2, N] in dB below full scale at the overlay's frame rate."""
        return levels_db(self.clip.audio, self.format.sample_rate, overlay_fps(self.format))

    @property
    def distance(self) -> Distance:
        """How far sound events are from the nearest person."""
        return mean_distance(self.events, self.boxes, self.format.with_size(SAVGBENCH.size))

    @property
    def warnings(self) -> list[str]:
        """Sentences without which the score says more than it may."""
        sentences, audio = [], self.clip.audio
        if audio.any() and np.array_equal(audio[0], audio[1]):
            sentences.append(MONO)
        if not len(self.events):
            return sentences
        if not (self.boxes.categories == PERSON).any():
            return [*sentences, NOBODY]
        score, centre = self.alignment.score, self.nulls.get("centre")
        if score is not None and centre is not None and centre >= score - 1e-4:
            sentences.append(UNINFORMATIVE.format(centre=centre))
        return sentences

    def to_json(self) -> dict[str, Any]:
        """The documented form of this module, ready for `json.dumps`."""
        left, right = np.round(self.levels, 1).tolist()
        return {
            "version": VERSION,
            "format": _format(self.format),
            "boxes": _boxes(self.boxes),
            "events": _events(self.events, self.alignment),
            "alignment": summary(self.alignment),
            "distance": distance_json(self.distance),
            "warnings": self.warnings,
            "nulls": dict(self.nulls),
            "levels": {"rate": overlay_fps(self.format), "left_db": left, "right_db": right},
            "band": {"half_width": float(self.alignment.margin)},
            "colors": palette.names(),
            "detectors": dict(self.detectors),
        }

    def write(self, folder: str | os.PathLike[str], stem: str, overlay: bool = True) -> list[Path]:
        """Write STEM.boxes.csv, STEM.events.csv, STEM.overlay.mp4 and STEM.json; returns their paths.

        All or none of them appear: they are written beside and renamed at the end, STEM.json last.

        Raises:
            SavgError: the folder cannot be written to.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
            remove_abandoned_once(target)
            part = temporary_path(target / f"{stem}.d")
            part.mkdir()
        except OSError as error:
            raise SavgError(f"{target} cannot hold results: {error.strerror or error}.") from error
        try:
            names = self._write_parts(part, stem, overlay)
            for name in names:
                os.replace(part / name, target / name)
        except (OSError, SavgError) as error:
            reason = error.__cause__ if isinstance(error, SavgError) else error
            cause = getattr(reason, "strerror", None) or str(error)
            raise SavgError(
                f"The annotation of {stem} could not be written to {target}: {cause}."
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return [target / name for name in names]

    def write_overlay(self, path: str | os.PathLike[str]) -> None:
        """Write the overlay video, with the distance beside the score; SavgError if it cannot be."""
        px, degrees = self.distance.px, self.distance.degrees
        note = "" if px is None else f"{px:.0f} px ({degrees:.1f} deg) apart"
        write_overlay(path, self.clip, self.boxes, self.events, self.alignment, note=note)

    def _write_parts(self, part: Path, stem: str, overlay: bool) -> list[str]:
        self.boxes.write_csv(part / f"{stem}.boxes.csv")
        self.events.write_csv(part / f"{stem}.events.csv")
        names = [f"{stem}.boxes.csv", f"{stem}.events.csv"]
        if overlay:
            names.append(f"{stem}.overlay.mp4")
            self.write_overlay(part / names[-1])
        text = json.dumps(self.to_json(), indent=1, allow_nan=False)
        (part / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
        return [*names, f"{stem}.json"]


def annotate(
    clip: Clip,
    persons: Callable[[Clip], Boxes],
    sounds: Callable[[Clip], SoundEvents],
    detectors: Mapping[str, str] | None = None,
) -> Annotation:
    """The annotation of a clip by a person detector and a sound detector.

    Agreement is judged by the official rule of Spatial AV-Align [S1], beside its chance baselines of
    one clip. Events that a detector places after the clip's end are dropped.

    Args:
        clip: of any length and size.
        persons: such as `savg.detectors.person_detector()`.
        sounds: such as `savg.detectors.sound_detector()`.
        detectors: their names and weights, for the JSON form.

    Example:
        >>> annotation = annotate(Clip.read("clip.mp4"), person_detector(), sound_detector())
        >>> annotation.write("annotated", "clip")
    """
    observation = observe(clip, Detectors(persons, sounds))
    return judge(clip, observation.boxes, observation.events, detectors)


def judge(
    clip: Clip,
    boxes: Boxes,
    events: SoundEvents,
    detectors: Mapping[str, str] | None = None,
    margin: float = MARGIN,
) -> Annotation:
    """The annotation of a clip from existing boxes and events.

    margin: pixels to either side of a sound event within which a person counts. FrameError for
    events after the end of the clip.
    """
    format = clip.format.with_size(SAVGBENCH.size)
    alignment = spatial_av_align(events, boxes, format, margin)
    baselines = chance_baselines([(events, boxes)], format, margin=margin)
    rounded = {name: _rounded(value) for name, value in asdict(baselines).items()}
    return Annotation(clip, boxes, events, alignment, rounded, detectors or {})


def summary(alignment: Alignment) -> dict[str, Any]:
    """Counts and score, ready for JSON."""
    return {"tp": alignment.tp, "fn": alignment.fn, "score": _rounded(alignment.score)}


def distance_json(distance: Distance) -> dict[str, Any]:
    """A distance, ready for JSON."""
    px, degrees = (None if v is None else round(v, 2) for v in (distance.px, distance.degrees))
    return {"px": px, "degrees": degrees, "events": distance.events}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _format(format: ClipFormat) -> dict[str, Any]:
    return {
        "frames": format.frames,
        "fps": format.fps,
        "seconds": format.seconds,
        "sample_rate": format.sample_rate,
        "size": format.size,
        "picture_height": format.picture_height,
        "top": format.top,
        "bottom": format.bottom,
        "label_fps": format.label_fps,
    }


def _boxes(boxes: Boxes) -> list[dict[str, Any]]:
    scores = [None] * len(boxes) if boxes.scores is None else boxes.scores.tolist()
    rows = []
    for i in np.argsort(boxes.frames, kind="stable").tolist():
        x0, y0, x1, y1 = np.round(boxes.xyxy[i], 2).tolist()
        score = _rounded(scores[i])
        row = {"frame": int(boxes.frames[i]), "category": int(boxes.categories[i])}
        rows.append(row | {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "score": score})
    return rows


def _events(events: SoundEvents, alignment: Alignment) -> list[dict[str, Any]]:
    return [
        {
            "frame": frame,
            "category": category,
            "label": palette.category_name(category),
            "x": round(x, 2),
            "matched": matched,
        }
        for frame, category, x, matched in zip(
            events.frames.tolist(),
            events.categories.tolist(),
            events.x.tolist(),
            alignment.matched.tolist(),
            strict=True,
        )
    ]
