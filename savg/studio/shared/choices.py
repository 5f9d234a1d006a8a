"""What visitors can choose from: pipelines and detectors, each loaded when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from savg.clip import Clip

if TYPE_CHECKING:
    from savg.pipelines.base import AudioPipeline, ClipPipeline


@dataclass(frozen=True)
class PipelineChoice:
    """A pipeline that visitors can choose: steps are (least, default, most), all the same where its
    weights were distilled for so many.

    name: beside other pipelines; boxes: whether it runs with and without persons' boxes; registered:
    its name in the registry; weights: where they are, as visitors may know it; directs: whether it
    takes a direction; frames_only: whether it directs the frames and not the audio made for them.
    """

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], ClipPipeline]
    name: str = ""
    boxes: bool = False
    registered: str = ""
    weights: str = "demo"
    directs: bool = False
    frames_only: bool = False

    @property
    def learnt(self) -> int | None:
        """The steps that its weights were distilled for; None where visitors choose them."""
        least, _, most = self.steps
        return least if least == most else None


@dataclass(frozen=True)
class AudioChoice:
    """A pipeline that gives videos audio; steps are (least, default, most).

    follows: whether it moves audio with a person; steers: whether new audio follows a person, an
    envelope and what sounds, and how closely: strengths by condition; missing_words,
    missing_depth: give a sentence on why words cannot say what shall sound, and why it cannot follow
    depth, "" where it can; asked each time, as what is missing may be fetched while the studio runs;
    registered, weights: as of a `PipelineChoice`.
    """

    label: str
    about: str
    steps: tuple[int, int, int]
    load: Callable[[], AudioPipeline]
    guidance: float = 4.5
    boxes: bool = False
    follows: bool = False
    steers: bool = False
    strengths: Mapping[str, float] = field(default_factory=dict)
    missing_words: Callable[[], str] = str
    missing_depth: Callable[[], str] = str
    registered: str = ""
    weights: str = "demo"

    @property
    def no_words(self) -> str:
        """Why words cannot say now what shall sound, "" where they can."""
        return self.missing_words()

    @property
    def no_depth(self) -> str:
        """Why it cannot follow depth now, "" where it can."""
        return self.missing_depth()


@dataclass(frozen=True)
class DetectorChoice:
    """A detector that visitors can choose; `words` go with the results, and so does `trust`, a sentence
    on what it was measured to do."""

    label: str
    words: str
    load: Callable[[], Callable[[Clip], Any]]
    trust: str = ""
