"""Single frames of a video file, and which files browsers play."""

from __future__ import annotations

from pathlib import Path

import pytest
from films import write_film

from savg.errors import MediaError
from savg.media.frames import frame_at, frames_at_rate
from savg.media.probe import plays_in_browsers


@pytest.mark.parametrize(("number", "shown"), [(0, 0), (3, 3), (7, 7), (99, 7)])
def test_a_frame_by_its_number(tmp_path: Path, number: int, shown: int) -> None:
    path = write_film(tmp_path / "a.mkv", seconds=2, fps=4, sound=False)
    frame = frame_at(path, number)
    assert frame.shape == (144, 256, 3)
    assert frame.mean() == pytest.approx(20 + 10 * shown, abs=4)
    assert (frame == list(frames_at_rate(path, 4))[shown]).all()


def test_a_file_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", pictures=False)
    with pytest.raises(MediaError, match=r"a\.mkv has no"):
        frame_at(path, 0)


@pytest.mark.parametrize(
    ("name", "codecs", "plays"),
    [
        ("a.mp4", ("libx264", "aac"), True),
        ("b.mp4", ("mpeg4", "aac"), False),
        ("c.mkv", ("libx264", "pcm_s16le"), False),
    ],
)
def test_what_browsers_play(
    tmp_path: Path, name: str, codecs: tuple[str, str], plays: bool
) -> None:
    path = write_film(tmp_path / name, codecs=codecs)
    assert plays_in_browsers(path) == plays
