"""Worlds: which people, rooms, instruments and movements a synthetic scene is drawn from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from savg.data.scenes.furnished.index import (
    HELD_OUT_SEED,
    TRAIN_SEED,
    TURNS,
    is_furnished,
    rooms,
)

Colour = tuple[int, int, int]
"""Red, green, blue in 0..255."""

WORLDS = (
    "demo", "solo", "stage", "stroll", "varied", "lounge", "furnished", "furnished1", "furnished2",
)  # fmt: skip
"""Names of worlds, for `World.named`."""
SPLIT = ("furnished", "furnished1", "furnished2")
"""Those of them with people and rooms that are never trained on, which their test split shows."""
FURNISHED = ("lounge", *SPLIT)
"""Those of them that are painted with the furnished world's bank, and know depth."""
HAIR_STYLES = ("short", "long", "bun", "bald", "cap")
INSTRUMENTS = ("guitar", "violin", "keyboard", "drum")


@dataclass(frozen=True)
class Look:
    """A person's appearance and voice. `height` in metres, `breadth` relative to the average.

    `voice` is an index of the bank in assets/voices; `instrument` is what this person plays in a
    world with fixed roles. `figure` and `variant` are a person of the furnished world's bank and one of
    their recolours; the colours here are those of drawn people.
    """

    skin: Colour
    hair: Colour
    hair_style: str
    top: Colour
    legs: Colour
    shoes: Colour = (40, 36, 36)
    long_sleeves: bool = True
    skirt: bool = False
    height: float = 1.72
    breadth: float = 1.0
    voice: int = 0
    instrument: str = "guitar"
    figure: str = ""
    variant: int = 0

    def __post_init__(self) -> None:
        if self.hair_style not in HAIR_STYLES:
            raise ValueError(f"hair_style must be one of {HAIR_STYLES}, got {self.hair_style!r}.")
        if self.instrument not in INSTRUMENTS:
            raise ValueError(f"instrument must be one of {INSTRUMENTS}, got {self.instrument!r}.")


@dataclass(frozen=True)
class World:
    """The distribution of scenes; shares are probabilities, depths are metres in front of the camera.

    looks: fixed people, or none for people drawn at random. rooms: number of rooms; views: which of
    those that room_seed has, without it the first ones. figures, recolours: of a furnished world's
    people and their recolours, only the first so many (0: all).
    reach: largest offset of a person from the frame's centre, as a share of half its width;
    separation: least difference of two people's offsets; walk_least: of the two ends of a walk;
    walkers_first: who walks is drawn before where, so that furniture leaves as many of them.
    bystanders: probabilities of 0, 1, 2, … idle people. turn: largest turn of a standing person in
    degrees, where heads_turn. held_out: voices, phrases and programs of instruments that are never
    trained on (and people and rooms of a furnished world). real_microphones: share of scenes whose
    sound is as real rooms and microphones make it (see `microphones`). Raises ValueError for values
    that do not fit.
    """

    rooms: int
    looks: tuple[Look, ...]
    instruments: tuple[str, ...]
    room_seed: int = 0
    views: tuple[int, ...] = ()
    figures: int = 0
    recolours: int = 0
    instrument_share: float = 1 / 3
    bystanders: tuple[float, ...] = (0.7, 0.3)
    walk_share: float = 0.0
    walk_least: float = 0.0
    walkers_first: bool = False
    sit_share: float = 0.0
    depths: tuple[float, float] = (1.8, 2.2)
    reach: float = 0.78
    separation: float = 0.45
    heads_turn: bool = True
    turn: float = 20.0
    held_out: bool = False
    real_microphones: float = 0.0

    def __post_init__(self) -> None:
        if self.rooms < 1 or not self.instruments:
            raise ValueError(
                "A world must have at least one room and one instrument, "
                f"got {self.rooms} and {len(self.instruments)}."
            )
        if self.views and (len(self.views) != self.rooms or min(self.views) < 0):
            raise ValueError(f"views must be {self.rooms} numbers ≥ 0, got {self.views}.")
        if min(self.figures, self.recolours) < 0:
            raise ValueError(
                "figures and recolours must be 0 (all) or more, "
                f"got {self.figures} and {self.recolours}."
            )
        if abs(sum(self.bystanders) - 1) > 1e-6:
            raise ValueError(f"bystanders must sum to 1, got {sum(self.bystanders)}.")
        if not 0 <= self.walk_least < 2 * self.reach:
            raise ValueError(
                f"walk_least must be in 0..{2 * self.reach:g}, twice the reach, got {self.walk_least}."
            )
        if not 0 < self.depths[0] <= self.depths[1]:
            raise ValueError(f"depths must be (near, far) with 0 < near ≤ far, got {self.depths}.")

    @property
    def is_furnished(self) -> bool:
        """Whether its people and rooms are photographed or rendered ones, not drawn."""
        return is_furnished(self.room_seed)

    def view(self, index: int) -> int:
        """The number, among those that room_seed has, of this world's room `index`."""
        return self.views[index] if self.views else index

    @classmethod
    def demo(cls) -> World:
        """Four rooms, four people with fixed voices, three instruments; nobody walks or sits."""
        return cls(rooms=4, looks=DEMO_LOOKS, instruments=("guitar", "violin", "keyboard"))

    @classmethod
    def solo(cls) -> World:
        """The demo world without silent bystanders: everybody on screen is audible."""
        return replace(cls.demo(), bystanders=(1.0,))

    @classmethod
    def stage(cls) -> World:
        """The demo world with what can be asked for: people who walk, up to two silent ones beside."""
        return replace(cls.demo(), bystanders=(0.55, 0.3, 0.15), walk_share=0.4)

    @classmethod
    def stroll(cls) -> World:
        """The demo world for paths: half of those who speak walk, a quarter of the frame at least."""
        return replace(cls.demo(), bystanders=(0.6, 0.4), walk_share=0.8, walk_least=0.5)

    @classmethod
    def varied(cls) -> World:
        """Many rooms, random people who also walk and sit, up to three bystanders, every instrument."""
        return cls(
            rooms=48,
            looks=(),
            instruments=INSTRUMENTS,
            room_seed=1000,
            bystanders=(0.4, 0.35, 0.17, 0.08),
            walk_share=0.3,
            sit_share=0.25,
            depths=(1.6, 3.6),
            reach=0.86,
            separation=0.3,
        )

    @classmethod
    def lounge(cls) -> World:
        """A small furnished world: one view each of four rooms, six people in two colours each, nearer
        and facing the camera more than elsewhere, two fifths of whom walk while they speak.

        What a small generative network can learn on a CPU (`stage` is its drawn counterpart).

        Raises:
            SavgError: as `furnished` does.
        """
        return replace(
            cls.furnished(),
            rooms=4,
            views=(3, 19, 35, 42),  # of rooms 0, 2, 4 and 5, with space to walk
            figures=6,
            recolours=2,
            bystanders=(0.55, 0.3, 0.15),
            walk_share=0.4,
            walk_least=0.3,
            walkers_first=True,
            sit_share=0.15,
            depths=(1.7, 2.4),
            reach=0.78,
            separation=0.45,
            turn=30.0,
        )

    @classmethod
    def named(cls, name: str, held_out: bool = False) -> World:
        """A world by its name, one of `WORLDS`.

        furnished1 and furnished2 are the furnished world with just one and two silent people. held_out:
        with what is never trained on; drawn worlds and the lounge have such voices and notes only.

        Raises:
            ValueError: no world has that name.
            SavgError: as `furnished` does.
        """
        if name not in WORLDS:
            raise ValueError(f"world must be one of {', '.join(WORLDS)}, got {name!r}.")
        if name.startswith("furnished"):
            silent = name.removeprefix("furnished")
            return cls.furnished(held_out, int(silent) if silent else None)
        drawn = {
            "demo": cls.demo,
            "solo": cls.solo,
            "stage": cls.stage,
            "stroll": cls.stroll,
            "varied": cls.varied,
            "lounge": cls.lounge,
        }[name]()
        return replace(drawn, held_out=held_out)

    @classmethod
    def furnished(cls, held_out: bool = False, bystanders: int | None = None) -> World:
        """Textured people who speak, play, walk and sit in furnished rooms.

        Args:
            held_out: with the people, rooms, voices and notes that are never trained on.
            bystanders: number of silent people; without it none, one or two.

        Raises:
            SavgError: the bundled people or rooms are missing or altered.
            ValueError: bystanders is neither 0, 1 nor 2.

        Example:
            >>> World.furnished(bystanders=1).bystanders
            (0.0, 1.0)
        """
        from savg.data.scenes.furnished.sprites import bank

        if bystanders not in (None, 0, 1, 2):
            raise ValueError(f"bystanders must be 0, 1 or 2, got {bystanders}.")
        seed = HELD_OUT_SEED if held_out else TRAIN_SEED
        shares = (0.4, 0.35, 0.25) if bystanders is None else (0.0,) * bystanders + (1.0,)
        return cls(
            rooms=TURNS * len(rooms(seed)),
            looks=(),
            instruments=tuple(name for name in INSTRUMENTS if name in bank().actions),
            room_seed=seed,
            bystanders=shares,
            walk_share=0.3,
            sit_share=0.25,
            depths=(1.6, 3.6),
            reach=0.86,
            separation=0.3,
            turn=75.0,
            held_out=held_out,
        )


DEMO_LOOKS = (
    Look(
        skin=(240, 196, 164),
        hair=(214, 168, 84),
        hair_style="long",
        top=(206, 44, 52),
        legs=(52, 56, 84),
        height=1.70,
        breadth=0.95,
        voice=0,
        instrument="violin",
    ),
    Look(
        skin=(150, 100, 70),
        hair=(28, 22, 20),
        hair_style="short",
        top=(38, 92, 200),
        legs=(58, 54, 52),
        height=1.80,
        breadth=1.08,
        voice=1,
        instrument="guitar",
    ),
    Look(
        skin=(222, 168, 130),
        hair=(52, 30, 22),
        hair_style="bun",
        top=(36, 150, 84),
        legs=(96, 60, 110),
        height=1.68,
        breadth=0.93,
        voice=2,
        instrument="keyboard",
        skirt=True,
    ),
    Look(
        skin=(236, 190, 160),
        hair=(120, 70, 34),
        hair_style="cap",
        top=(236, 182, 40),
        legs=(44, 70, 120),
        height=1.76,
        breadth=1.05,
        voice=3,
        instrument="guitar",
        long_sleeves=False,
    ),
)
