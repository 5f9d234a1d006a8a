"""Synthetic scenes: small films of rooms and people whose picture and sound agree.

`draw_scene(seed, World.demo())` says what happens, `render(scene)` makes a clip of it, with labels
and boxes. `draw_recording(seed, World.varied())` is a 360° take; `render(take, view=, start=)` cuts a
clip out of it, `panorama` films it, `reverberation` (with pyroomacoustics) lets it be heard in its
room. All else needs numpy, scipy and OpenCV alone.
"""

from savg.data.scenes.recording import draw_recording
from savg.data.scenes.render import Rendered, render
from savg.data.scenes.scene import Scene, draw_scene, split_seed
from savg.data.scenes.world import Look, World

__all__ = [
    "Look",
    "Rendered",
    "Scene",
    "World",
    "draw_recording",
    "draw_scene",
    "render",
    "split_seed",
]
