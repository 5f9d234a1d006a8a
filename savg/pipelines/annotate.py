"""Annotation of a clip: persons, sounds, and whether they agree.

`Annotation.to_json()` and the file STEM.json have this form, version 1. Pixels are those of the
size×size frame, x growing to the right; left is left.

    {
      "version": 1,
      "format": {"frames": 20, "fps": 4, "seconds": 5.0, "sample_rate": 16000, "size": 256,
                 "picture_height": 144, "top": 56, "bottom": 200, "label_fps": 10},
      "boxes": [{"frame": 0, "category": 0, "x0": 10.5, "y0": 60.0, "x1": 90.0, "y1": 190.2,
                 "score": 0.93}, ...],
      "events": [{"frame": 3, "category": 0, "label": "speech", "x": 131.5, "matched": true}, ...],
      "alignment": {"tp": 12, "fn": 4, "score": 0.75},
      "nulls": {"centre": 0.5, "swapped": 0.25, "other_clips": null},
      "levels": {"rate": 20, "left_db": [-31.2, ...], "right_db": [-35.0, ...]},
      "band": {"half_width": 40.0},
      "colors": {"tp": "#RRGGBB", "fn": ..., "person": ..., "person_casing": ..., "left": ...,
                 "right": ...},
      "detectors": {"persons": "...", "sounds": "..."}
    }

- boxes: frame f is the picture on screen from f/fps to (f+1)/fps seconds; category 0 is a person;
  score is null where the detector gives none. Ordered by frame.
- events: frame k sounds from k/label_fps to (k+1)/label_fps seconds; category 0 is speech, 1 is an
  instrument; x may lie outside the picture. `matched` is true for a true positive, false for a
  false negative. Ordered as the sound detector gave them.
- alignment.score is null where nothing sounded.
- nulls: the score of the same boxes with every sound at the centre, with left and right swapped,
  and with the sounds of other clips (null for a clip by itself); null where nothing sounded.
- levels: entry i is the RMS from i/rate to (i+1)/rate seconds in dB below full scale, at least -80.
- band.half_width: pixels on either side of an event's x within which a person counts.
- colors: those of the overlay video, so that other players can look the same.
"""

from __future__ import annotations
