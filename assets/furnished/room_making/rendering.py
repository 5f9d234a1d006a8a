"""Rendering of a built room: a denoised panorama, its depth, and the light on people around."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
from mathutils import Vector

from room_making.finishing import BAND

PROBES = 12
"""Directions, all around, in which the light is measured."""
MEAN = 0.42
"""Mean of a panorama's middle band, towards which rooms are exposed, as a share of white."""


def reset(width: int, samples: int, threads: int) -> Any:
    """An empty scene for a panorama `width` pixels wide."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, width // 2
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    cycles = scene.cycles
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.use_adaptive_sampling = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 2, 1
    cycles.transparent_max_bounces = 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    world = bpy.data.worlds.new("world")
    scene.world = world
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs[0].default_value = (0.7, 0.8, 1.0, 1)
    background.inputs[1].default_value = 0.3
    return scene


def camera(scene: Any, eye: float) -> None:
    """The panoramic camera at (0, 0, eye): azimuth 180 at the left edge, 0 in the middle."""
    data = bpy.data.cameras.new("panorama")
    data.type, data.clip_start = "PANO", 0.05
    data.panorama_type = "EQUIRECTANGULAR"
    made = bpy.data.objects.new("panorama", data)
    made.location, made.rotation_euler = (0, 0, eye), (math.pi / 2, 0, -math.pi / 2)
    bpy.context.collection.objects.link(made)
    scene.camera = made


def panorama(scene: Any, out: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """The panorama, BGR uint8 [h, w, 3], distances [h, w] in metres, and seconds of processor time.

    Rows beyond `BAND` are black, and 0 m. The exposure is set so that the middle band has the mean
    `MEAN`.
    """
    begin = time.process_time()
    layer = bpy.context.view_layer
    layer.use_pass_z = True
    _border(scene, BAND)
    bpy.ops.render.render()
    image = _save(scene, out)
    for _ in range(3):
        rows = slice(image.shape[0] // 4, -image.shape[0] // 4)
        mean = float(image[rows].mean()) / 255
        scene.view_settings.exposure += float(np.clip(2.2 * math.log2(MEAN / mean), -3, 3)) * 0.8
        image = _save(scene, out)
    depth = _depth(scene, out.with_suffix(".exr"))
    return image, depth, time.process_time() - begin


def _border(scene: Any, band: float) -> None:
    """Render only `band` degrees up and down, in an image of full size."""
    scene.render.use_border, scene.render.use_crop_to_border = True, False
    scene.render.border_min_x, scene.render.border_max_x = 0, 1
    scene.render.border_min_y, scene.render.border_max_y = 0.5 - band / 180, 0.5 + band / 180


def _save(scene: Any, out: Path) -> np.ndarray:
    settings = scene.render.image_settings
    settings.media_type = "IMAGE"
    settings.file_format = "PNG"
    settings.color_mode = "RGB"
    bpy.data.images["Render Result"].save_render(str(out), scene=scene)
    return np.asarray(cv2.imread(str(out)))


def _depth(scene: Any, out: Path) -> np.ndarray:
    import OpenEXR

    settings = scene.render.image_settings
    settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    bpy.data.images["Render Result"].save_render(str(out), scene=scene)
    with OpenEXR.File(str(out), separate_channels=True) as file:
        channels = {n: c for part in file.parts for n, c in part.channels.items()}
        name = next(n for n in channels if n.endswith("Depth.Z"))
        return np.array(channels[name].pixels, np.float32)


def light_around(scene: Any, eye: float, places: list[tuple[float, float]]) -> list[list[float]]:
    """Light on a white ball at each place (x, y): mean red, green, blue, then side and top.

    In 0..1 of the finished image; side: (right - left) / (right + left) of the brightness, as seen
    from the camera; top: the same of the upper and the lower half.
    """
    material = bpy.data.materials.new("ball")
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (0.5, 0.5, 0.5, 1)
    shader.inputs["Roughness"].default_value = 1.0
    shader.inputs["Specular IOR Level"].default_value = 0.0
    radius, height = 0.13, min(1.25, eye + 0.05)
    balls = []
    for x, y in places:
        bpy.ops.mesh.primitive_uv_sphere_add(
            radius=radius, location=(x, y, height), segments=24, ring_count=16
        )
        ball = bpy.context.object
        ball.data.materials.append(material)
        for polygon in ball.data.polygons:
            polygon.use_smooth = True
        balls.append(Vector((x, y, height - eye)))
    width = 1024
    scene.render.resolution_x, scene.render.resolution_y = width, width // 2
    scene.cycles.samples, scene.cycles.use_denoising = 8, False
    _border(scene, 11.0)
    bpy.ops.render.render()
    path = Path(bpy.app.tempdir) / "probe.png"
    image = _save(scene, path)[..., ::-1].astype(float) / 255
    found = []
    grid_y, grid_x = np.mgrid[0 : width // 2, 0:width]
    for ball in balls:
        distance = ball.length
        column = width * (0.5 - math.atan2(ball.y, ball.x) / (2 * math.pi))
        row = width / 2 * (0.5 - math.asin(ball.z / distance) / math.pi)
        size = 0.85 * radius / distance * width / (2 * math.pi)
        dx = (grid_x + 0.5 - column + width / 2) % width - width / 2
        dy = grid_y + 0.5 - row
        inside = dx**2 + dy**2 < size**2
        grey = image.mean(axis=2)
        parts = [float(grey[inside & side].mean()) for side in (dx < 0, dx > 0, dy < 0, dy > 0)]
        left, right, up, down = parts
        colour = image[inside].mean(axis=0).tolist()
        found.append(
            [
                round(v, 3)
                for v in (*colour, (right - left) / (right + left), (up - down) / (up + down))
            ]
        )
    return found
