"""The people of the bank: who is made of which model, with whose skin, hair and clothes."""

from __future__ import annotations

from dataclasses import dataclass, field

Gains = tuple[float, float, float]

SKINS: dict[int, Gains] = {
    1: (1.0, 1.0, 1.0), 2: (0.95, 0.92, 0.88), 3: (0.86, 0.80, 0.72), 4: (0.74, 0.64, 0.54),
    5: (0.66, 0.55, 0.46), 6: (0.50, 0.41, 0.35),
}  # fmt: skip
"""Factors on a light skin by tone."""


@dataclass(frozen=True)
class Face:
    """material: of the face; mouth: its texture coordinates; skin: other materials that are skin."""

    material: str
    mouth: tuple[float, float]
    skin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hair:
    """materials: of the hair; gains: factors on their texture."""

    materials: tuple[str, ...]
    gains: Gains = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Outfit:
    """A person of the bank. model: of the Reallusion catalogue; skin_tone: of `SKINS`.

    split: train or held_out; swaps: textures replaced by the body's of another model; scale: of breadth
    and height; dress: whether the trunk's cloth covers the thighs.
    """

    name: str
    female: bool
    model: int
    face: Face
    skin_tone: int
    hair: Hair
    split: str = "train"
    swaps: dict[str, str] = field(default_factory=dict)
    scale: tuple[float, float] = (1.0, 1.0)
    dress: bool = False


BLACK, BROWN = (0.35, 0.35, 0.4), (0.55, 0.5, 0.48)
FACE_A, FACE_B, FACE_C = (0.49, 0.37), (0.40, 0.365), (0.49, 0.505)
FACE_D, FACE_E = (0.495, 0.515), (0.495, 0.345)
GIRL = Face("RL_Skin01.001", (0.5, 0.22), ("RL_Skin00.001", "RL_Skin02.001", "RL_Skin.001"))
BOY = Face(
    "RL_Skin02.002", (0.507, 0.25), ("RL_Skin.002", "RL_Skin01.002", "Skin.002", "RL_Skin00.002")
)

OUTFITS = (
    Outfit("anna", True, 1, Face("5", FACE_A), 1, Hair(("11",))),
    Outfit("bruno", False, 7, Face("hrad", FACE_E), 2, Hair(("hair",))),
    Outfit("carla", True, 3, Face("2", FACE_A), 4, Hair(("13",), (0.5, 0.45, 0.45))),
    Outfit("daniel", False, 4, Face("2", FACE_C), 5, Hair(("10",), BLACK)),
    Outfit("edith", True, 8, Face("02-Default", FACE_B), 5, Hair(("01-Default",), BLACK), dress=True),
    Outfit("felix", False, 5, Face("2", FACE_D), 2, Hair(("6",))),
    Outfit("greta", True, 25, GIRL, 1, Hair(("RL_Hair.001",))),
    Outfit("hugo", False, 22, BOY, 3, Hair(("RL_Hair.002", "RL_Hair.002_Boy_Standing_35.jpg"))),
    Outfit("ines", True, 10, Face("Material#25", FACE_A), 3, Hair(("Material#26",), BROWN)),
    Outfit(
        "jakob", False, 7, Face("hrad", FACE_E), 6, Hair(("hair",), (0.22, 0.2, 0.2)),
        swaps={"MCasual03_76.jpg": "sitMale02"}, scale=(1.06, 0.97),
    ),
    Outfit(
        "klara", True, 2, Face("2", FACE_B), 4, Hair(("10",), BROWN), split="held_out", dress=True,
    ),
    Outfit(
        "leon", False, 7, Face("hrad", FACE_E), 3, Hair(("hair",), (0.5, 0.4, 0.35)),
        split="held_out", swaps={"MCasual03_76.jpg": "male03"}, scale=(0.97, 0.96),
    ),
    Outfit(
        "maria", True, 3, Face("2", FACE_A), 6, Hair(("13",), BLACK), split="held_out",
        swaps={"female03_1.jpg": "sitFemale02"}, scale=(1.04, 1.03),
    ),
)  # fmt: skip
