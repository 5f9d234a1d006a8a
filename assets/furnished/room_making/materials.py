"""Materials of Blender: painted and papered walls, floors, pictures, panes."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from room_making import pictures

Colour = tuple[float, float, float]


def plain(name: str, colour: Colour, roughness: float = 0.6) -> Any:
    """A material of one colour (linear, 0..1)."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1)
    shader.inputs["Roughness"].default_value = roughness
    return material


def _node(material: Any, kind: str, **inputs: Any) -> Any:
    node = material.node_tree.nodes.new(kind)
    for key, value in inputs.items():
        node.inputs[key.replace("_", " ")].default_value = value
    return node


def _place(material: Any, scale: tuple[float, float, float] = (1, 1, 1)) -> Any:
    """Object coordinates in metres, scaled."""
    place = _node(material, "ShaderNodeTexCoord")
    mapping = _node(material, "ShaderNodeMapping", Scale=scale)
    material.node_tree.links.new(place.outputs["Object"], mapping.inputs["Vector"])
    return mapping.outputs[0]


def _mix(material: Any, kind: str, share: float, first: Any, second: Any) -> Any:
    mix = material.node_tree.nodes.new("ShaderNodeMixRGB")
    mix.blend_type = kind
    mix.inputs["Fac"].default_value = share
    material.node_tree.links.new(first, mix.inputs[1])
    material.node_tree.links.new(second, mix.inputs[2])
    return mix.outputs[0]


def _noise(material: Any, scale: float, stretch: Any = (1, 1, 1)) -> Any:
    """Grey noise with about `scale` waves a metre, as an image, which is faster than a function."""
    cells = 16
    image = bpy.data.images.get("noise")
    if image is None:
        grey = pictures.fractal(np.random.default_rng(1), 512, 512, cells)
        grey = (grey + grey[::-1] + grey[:, ::-1] + grey[::-1, ::-1]) / 4
        grey = np.clip(0.5 + (grey - grey.mean()) * 0.25 / grey.std(), 0, 1)
        image = bpy.data.images.new("noise", 512, 512, is_data=True)
        image.pixels.foreach_set(np.repeat(grey.ravel(), 4).astype(np.float32))
        image.pack()
    texture = material.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image, texture.projection, texture.projection_blend = image, "BOX", 0.2
    size = tuple(scale / cells * s for s in stretch)
    material.node_tree.links.new(_place(material, size), texture.inputs["Vector"])
    return texture.outputs["Color"]


def _ramp(material: Any, value: Any, stops: list[tuple[float, Colour]]) -> Any:
    ramp = material.node_tree.nodes.new("ShaderNodeValToRGB")
    elements = ramp.color_ramp.elements
    while len(elements) < len(stops):
        elements.new(0.5)
    for element, (position, colour) in zip(elements, stops, strict=True):
        element.position, element.color = position, (*colour, 1)
    material.node_tree.links.new(value, ramp.inputs["Fac"])
    return ramp.outputs["Color"]


def _finish(material: Any, colour: Any) -> Any:
    shader = material.node_tree.nodes["Principled BSDF"]
    material.node_tree.links.new(colour, shader.inputs["Base Color"])
    return material


def _worn(material: Any, colour: Any) -> Any:
    """A colour with stains and uneven paint."""
    stains = _ramp(
        material, _noise(material, 1.3), [(0.3, (0.82, 0.81, 0.79)), (0.62, (1.0, 1.0, 1.0))]
    )
    return _mix(material, "MULTIPLY", 0.8, colour, stains)


def _darker(colour: Colour, factor: float) -> Colour:
    r, g, b = (min(1.0, c * factor) for c in colour)
    return r, g, b


def wall(style: str, colour: Colour, second: Colour) -> Any:
    """A wall: paint, two-tone, stripes, pattern or brick."""
    material = plain("wall", colour, 0.85)
    links = material.node_tree.links
    base = _node(material, "ShaderNodeRGB").outputs[0]
    base.default_value = (*colour, 1)
    if style == "two-tone":
        axis = material.node_tree.nodes.new("ShaderNodeSeparateXYZ")
        links.new(_place(material, (0.5, 0.5, 0.5)), axis.inputs[0])
        trim = _darker(second, 0.45)
        base = _ramp(
            material, axis.outputs[2],
            [(0.0, second), (0.5, second), (0.505, trim), (0.525, trim), (0.53, colour)],
        )  # fmt: skip
        base.node.color_ramp.interpolation = "CONSTANT"
    elif style == "stripes":
        wave = _node(material, "ShaderNodeTexWave", Scale=2.2)
        wave.bands_direction = "DIAGONAL"
        links.new(_place(material, (1, 1, 0)), wave.inputs["Vector"])
        base = _ramp(material, wave.outputs["Fac"], [(0.45, colour), (0.5, second)])
    elif style == "pattern":
        cells = _node(material, "ShaderNodeTexVoronoi", Scale=7.0, Randomness=0.12)
        links.new(_place(material), cells.inputs["Vector"])
        base = _ramp(
            material, cells.outputs["Distance"],
            [(0.2, second), (0.26, colour), (0.42, colour), (0.47, _darker(second, 0.9))],
        )  # fmt: skip
    elif style == "brick":
        return _brick(material, colour, second)
    return _finish(material, _worn(material, base))


def _brick(material: Any, colour: Colour, second: Colour) -> Any:
    links = material.node_tree.links
    axis = material.node_tree.nodes.new("ShaderNodeSeparateXYZ")
    links.new(_place(material), axis.inputs[0])
    along = material.node_tree.nodes.new("ShaderNodeMath")
    links.new(axis.outputs[0], along.inputs[0])
    links.new(axis.outputs[1], along.inputs[1])
    flat = material.node_tree.nodes.new("ShaderNodeCombineXYZ")
    links.new(along.outputs[0], flat.inputs[0])
    links.new(axis.outputs[2], flat.inputs[1])
    bricks = _node(
        material, "ShaderNodeTexBrick", Scale=1.0, Color1=(*colour, 1), Color2=(*second, 1),
        Mortar=(0.5, 0.47, 0.43, 1), Brick_Width=0.24, Row_Height=0.075, Mortar_Size=0.008,
    )  # fmt: skip
    links.new(flat.outputs[0], bricks.inputs["Vector"])
    return _finish(material, _worn(material, bricks.outputs["Color"]))


def floor(style: str, colour: Colour, second: Colour) -> Any:
    """A floor: planks, tiles or carpet."""
    material = plain("floor", colour, {"planks": 0.35, "tiles": 0.25}.get(style, 0.95))
    links = material.node_tree.links
    if style == "carpet":
        noise = _noise(material, 170)
        base = _ramp(material, noise, [(0.35, colour), (0.65, second)])
        return _finish(material, _worn(material, base))
    size = (1.2, 0.14, 0.004) if style == "planks" else (0.45, 0.45, 0.008)
    bricks = _node(
        material, "ShaderNodeTexBrick", Scale=1.0, Color1=(*colour, 1), Color2=(*second, 1),
        Mortar=(*_darker(colour, 0.25), 1), Brick_Width=size[0], Row_Height=size[1],
        Mortar_Size=size[2],
    )  # fmt: skip
    bricks.offset = 0.37 if style == "planks" else 0.0
    links.new(_place(material), bricks.inputs["Vector"])
    stretch = (1.5, 22, 1) if style == "planks" else (3, 3, 3)
    grain = _ramp(
        material, _noise(material, 2.5, stretch), [(0.3, (0.55, 0.55, 0.55)), (0.7, (1, 1, 1))]
    )
    grained = _mix(material, "MULTIPLY", 0.6, bricks.outputs["Color"], grain)
    return _finish(material, _worn(material, grained))


def cloth(colour: Colour, second: Colour, scale: float) -> Any:
    """Woven cloth, for curtains and rugs."""
    material = plain("cloth", colour, 0.9)
    noise = _noise(material, scale)
    return _finish(material, _ramp(material, noise, [(0.4, colour), (0.6, second)]))


def image(name: str, pixels: np.ndarray, glow: float = 0.0) -> Any:
    """An image [h, w, 3] in 0..1 on the UV square; with `glow` it shines instead."""
    height, width = pixels.shape[:2]
    data = bpy.data.images.new(name, width, height)
    rgba = np.concatenate([pixels[::-1], np.ones((height, width, 1))], axis=2)
    data.pixels.foreach_set(rgba.astype(np.float32).ravel())
    data.pack()
    material = plain(name, (0.5, 0.5, 0.5), 0.4)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = data
    shader = nodes["Principled BSDF"]
    if glow:
        shader.inputs["Base Color"].default_value = (0, 0, 0, 1)
        shader.inputs["Specular IOR Level"].default_value = 0
        links.new(texture.outputs["Color"], shader.inputs["Emission Color"])
        shader.inputs["Emission Strength"].default_value = glow
    else:
        links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material
