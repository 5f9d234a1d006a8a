"""Draws textured triangles off screen: colours, normals and labels in one pass (EGL, no display)."""

from __future__ import annotations

import os

os.environ.setdefault("EGL_PLATFORM", "surfaceless")

import moderngl
import numpy as np

VERTEX = """#version 330
uniform mat4 camera;
in vec3 position; in vec3 normal; in vec2 uv; in vec3 light; in vec3 rest;
out vec3 vnormal; out vec2 vuv; out vec3 vlight; out vec3 vrest;
void main() {
  gl_Position = camera * vec4(position, 1);
  vnormal = normal; vuv = uv; vlight = light; vrest = rest;
}"""
FRAGMENT = """#version 330
uniform sampler2D image; uniform sampler2D labels; uniform vec3 colour; uniform float textured;
uniform float label; uniform vec3 mouth; uniform vec2 opening;
in vec3 vnormal; in vec2 vuv; in vec3 vlight; in vec3 vrest;
layout(location=0) out vec4 shown; layout(location=1) out vec4 slopes;
void main() {
  vec3 n = normalize(vnormal);
  vec3 albedo = mix(colour, texture(image, vuv).rgb, textured);
  albedo = pow(albedo, vec3(2.2));
  float part = mix(label, texture(labels, vuv).r, textured);
  if (opening.y > 0.) {
    vec3 d = vrest - mouth;
    float r = length(vec2(d.x / opening.x, d.y / opening.y));
    if (abs(d.z) < 0.04) {
      vec3 lips = albedo * vec3(.85, .5, .5);
      float rim = 1. - smoothstep(1.05, 1.5, r);
      albedo = mix(albedo, lips, rim * .7);
      vec3 inside = vec3(.030, .010, .010) + vec3(.25) * smoothstep(.45, .75, d.y / opening.y);
      albedo = mix(albedo, inside, 1. - smoothstep(.8, 1.05, r));
    }
  }
  vec3 c = albedo * vlight;
  shown = vec4(pow(clamp(c, 0., 1.), vec3(1. / 2.2)), 1.);
  slopes = vec4(n.x * .5 + .5, n.y * .5 + .5, part, 1.);
}"""


class Renderer:
    """Draws meshes into an image of width × height pixels, without smoothing: ask for a large one.

    A mesh is a list of dicts: position, normal, light, rest [N, 3], uv [N, 2], faces [M, 3] and
    image, labels (uint8 pictures), or colour (0..1) and label (0..1) without them.
    """

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.context = moderngl.create_standalone_context(backend="egl")
        self.program = self.context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self.targets = [self.context.renderbuffer(self.size, 4) for _ in range(2)]
        self.depth = self.context.depth_texture(self.size)
        self.buffer = self.context.framebuffer(self.targets, self.depth)
        self.context.enable(moderngl.DEPTH_TEST)
        self._textures: dict[int, tuple[np.ndarray, moderngl.Texture]] = {}
        self.program["image"], self.program["labels"] = 0, 1
        self._depths: dict[int, moderngl.Framebuffer] = {}
        self._depth_program = self.context.program(
            vertex_shader="#version 330\nuniform mat4 camera; in vec3 position;"
            "void main() { gl_Position = camera * vec4(position, 1); }",
            fragment_shader="#version 330\nvoid main() {}",
        )

    def draw(self, mesh, camera, mouth=(0, 0, 0), opening=(0, 0)) -> tuple[np.ndarray, np.ndarray]:
        """Colours RGBA and (normal's x, y, label, alpha) [height, width, 4] uint8, top row first."""
        self.buffer.use()
        self.buffer.clear()
        self.program["camera"].write(np.ascontiguousarray(camera.T, "f4").tobytes())
        self.program["mouth"], self.program["opening"] = tuple(mouth), tuple(opening)
        for part in mesh:
            textured = part.get("image") is not None
            self.program["textured"] = float(textured)
            self.program["colour"] = tuple(part.get("colour", (0, 0, 0)))
            self.program["label"] = float(part.get("label", 0.0))
            if textured:
                self._texture(part["image"], True).use(0)
                self._texture(part["labels"], False).use(1)
            columns = [part[k] for k in ("position", "normal", "uv", "light", "rest")]
            vertices = self.context.buffer(np.concatenate(columns, axis=1).astype("f4").tobytes())
            faces = self.context.buffer(part["faces"].astype("i4").tobytes())
            names = ("position", "normal", "uv", "light", "rest")
            array = self.context.vertex_array(
                self.program, [(vertices, "3f 3f 2f 3f 3f", *names)], faces
            )
            array.render()
            for item in (array, vertices, faces):
                item.release()
        pictures = []
        for k in range(2):
            data = self.buffer.read(components=4, attachment=k, alignment=1)
            pictures.append(np.frombuffer(data, np.uint8).reshape(*self.size[::-1], 4)[::-1])
        return pictures[0], pictures[1]

    def depth_map(self, positions, faces, camera, size: int = 256) -> np.ndarray:
        """Depths 0..1 [size, size] (bottom row first) of triangles, for shadows."""
        if size not in self._depths:
            self._depths[size] = self.context.framebuffer(
                [], self.context.depth_texture((size, size))
            )
        buffer = self._depths[size]
        buffer.use()
        buffer.clear(depth=1.0)
        self._depth_program["camera"].write(np.ascontiguousarray(camera.T, "f4").tobytes())
        vertices = self.context.buffer(positions.astype("f4").tobytes())
        indices = self.context.buffer(faces.astype("i4").tobytes())
        array = self.context.vertex_array(
            self._depth_program, [(vertices, "3f", "position")], indices
        )
        array.render()
        for item in (array, vertices, indices):
            item.release()
        data = buffer.depth_attachment.read(alignment=1)
        return np.frombuffer(data, np.float32).reshape(size, size)

    def release(self) -> None:
        """Let go of all memory of the graphics driver."""
        self.context.release()

    def _texture(self, image: np.ndarray, smooth: bool) -> moderngl.Texture:
        key = id(image)
        if key not in self._textures:
            upright = np.ascontiguousarray(image[::-1])
            channels = 1 if image.ndim == 2 else 3
            texture = self.context.texture(
                image.shape[1::-1], channels, upright.tobytes(), alignment=1
            )
            if smooth:
                texture.build_mipmaps()
                texture.filter = moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR
            else:
                texture.filter = moderngl.NEAREST, moderngl.NEAREST
            self._textures[key] = image, texture
        return self._textures[key][1]


def perspective(height: float, distance: float, pixels_per_metre: float, size) -> np.ndarray:
    """Matrix of a camera that looks along −z from (0, height, distance).

    A metre at z = 0 is `pixels_per_metre` pixels; y = height is in the middle of the picture.
    """
    width, rows = size
    near, far = 0.3, 8.0
    focal = pixels_per_metre * distance
    matrix = np.zeros((4, 4))
    matrix[0, 0] = 2 * focal / width
    matrix[1, 1] = 2 * focal / rows
    matrix[2, 2] = -(far + near) / (far - near)
    matrix[2, 3] = -2 * far * near / (far - near)
    matrix[3, 2] = -1
    view = np.eye(4)
    view[:3, 3] = [0, -height, -distance]
    return matrix @ view


def orthographic(direction: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Matrix of a light that shines from `direction` on a ball."""
    forward = -direction / np.linalg.norm(direction)
    aside = np.array([0, 0, 1.0]) if abs(forward[1]) > 0.9 else np.array([0, 1.0, 0])
    right = np.cross(forward, aside)
    right /= np.linalg.norm(right)
    rows = np.stack([right, np.cross(right, forward), forward]) / radius
    matrix = np.eye(4)
    matrix[:3, :3] = rows
    matrix[:3, 3] = -rows @ centre
    return matrix
