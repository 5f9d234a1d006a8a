"""Synthetic scenes: short videos of rooms and people whose video and audio agree.

`draw_scene(seed, World.demo())` draws what happens, `render(scene)` turns it into a clip with labels
and boxes. `draw_recording(seed, World.varied())` draws a 360° take; `render(take, view=, start=)` cuts
a clip out of it, `panorama` renders its 360° video, `reverberation` (with pyroomacoustics) its
Ambisonic audio with the room's acoustics. All else needs numpy, scipy and OpenCV alone.
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
