"""Whose works the synthetic scenes show and sound of: shown in the studio, written on model cards.

The facts are those of `assets/furnished/README.md` and `assets/voices/README.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["FURNISHED", "VOICES", "Credit", "of_worlds"]


@dataclass(frozen=True)
class Credit:
    """A work of others: what of it is used, whose it is, under which licence, at which address."""

    work: str
    by: str
    licence: str
    url: str

    def line(self) -> str:
        """The credit as one line of text."""
        return f"{self.work}: {self.by}, {self.licence} ({self.url}), changed"


FURNISHED = (
    Credit(
        "People (Reallusion's 3D library for Sweet Home 3D)",
        "© Reallusion, reallusion.com",
        "CC BY 3.0 US",
        "https://creativecommons.org/licenses/by/3.0/us/",
    ),
    Credit(
        "Furniture and keyboard (KatorLegaz)",
        "© Andrew Kator & Jennifer Legaz, katorlegaz.com",
        "CC BY 3.0 US",
        "https://creativecommons.org/licenses/by/3.0/us/",
    ),
    Credit(
        "Furniture (Scopia)",
        "Emmanuel Puybaret / eTeks and Scopia Visual Interfaces Systems, scopia.es",
        "CC BY 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
    ),
    Credit(
        "Furniture (BlendSwap-CC-BY)",
        "3dModeling, Atszgo, Aymanslman, Betomo16, Bocko, Bulgakov, Dalenryder, Derte21, Elhzar, "
        "Gerardbelnder, HeraSK, Hilux, Hsdevys, Jay-Artist, Jo.3D, LVlittering, Leximumxii, MatBot, "
        "Mayollo, Nad451, Nikitron, Nmn9, Richu, SirOccor, Sizzler, TreyClaine, TripleJ, Voodoc",
        "CC BY 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
    ),
    Credit(
        "Electric guitar, chairs, furniture (BlendSwap-CC-0)",
        "Seavenois, MZiemys, exL and others",
        "CC0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    ),
)
"""Works in the pictures of the furnished worlds."""

VOICES = (
    Credit(
        "Italian voice (Asterisk's sound prompts)",
        "© 2012 Carlo Flora, segreterietelefoniche.it",
        "CC BY 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
    ),
    Credit(
        "Russian voice (Asterisk's sound prompts)",
        "© 2010 Maxim, ivrvoice.ru",
        "CC BY 3.0",
        "https://creativecommons.org/licenses/by/3.0/",
    ),
    Credit(
        "Instruments (sound font FluidR3 GM)",
        "© 2000–2002, 2008 Frank Wen, © 2008 Toby Smithe",
        "MIT",
        "https://opensource.org/license/mit",
    ),
)
"""Works in the sound of every world that networks are trained on."""


def of_worlds(
    worlds: Iterable[str], pictures: bool = True, sound: bool = True
) -> tuple[Credit, ...]:
    """The works in pictures, in sound or in both of synthetic clips of these worlds (names of
    `savg.data.scenes.world.WORLDS`).

    Example:
        >>> [credit.licence for credit in of_worlds(["demo"])]
        ['CC BY 3.0', 'CC BY 3.0', 'MIT']
    """
    from savg.data.scenes.world import FURNISHED as WORLDS  # the page does without their painters

    furnished = any(world in WORLDS for world in worlds)
    return (FURNISHED if furnished and pictures else ()) + (VOICES if sound else ())
