"""The bundled StereoSync weights in a real browser: a silent video, a dragged box, a drawn envelope."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import studio_fakes
from conftest import ROOT, arrived, served
from test_both_in_browser import RESOUND
from test_steering_in_browser import STEER, drag_to, made, steered
from videos import make_video

LEVEL = """async ([url, from, to]) => {
  const data = await (await fetch(url)).arrayBuffer();
  const sound = await new OfflineAudioContext(2, 1, 16000).decodeAudioData(data);
  let sum = 0;
  for (const channel of [0, 1])
    for (const v of sound.getChannelData(channel).slice(from * 16000, to * 16000)) sum += v * v;
  return 10 * Math.log10(sum / (2 * (to - from) * 16000) + 1e-12);
}"""
"""dB of both channels together between two seconds."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio whose StereoSync has the bundled weights; people are found by their colour."""
    folder = tmp_path_factory.mktemp("stereosync")
    studio_fakes.scene(0).write(folder / "examples" / "1_speaker_on_the_left.mp4")
    program = [str(ROOT / "tests" / "studio_fakes.py"), str(folder / "examples"), "both", "bundled"]
    with served(program, folder) as address:
        yield address


def test_a_silent_video_sounds_where_the_box_is_and_as_loud_as_it_is_drawn(
    open_page, studio: str, tmp_path: Path
) -> None:
    visitor = arrived(open_page(), studio)
    page = visitor.page
    silent = make_video(tmp_path / "silent.mp4", seconds=4, width=320, height=180, fps=5, audio=False,
                        codecs=("libx264", "aac"))  # fmt: skip
    steered(visitor, silent, "StereoSync")
    stage = page.locator(".steer-stage").bounding_box()
    page.mouse.move(stage["x"] + stage["width"] * 0.4, stage["y"] + stage["height"] * 0.2)
    page.mouse.down()  # nobody was found: a new box
    page.mouse.move(stage["x"] + stage["width"] * 0.6, stage["y"] + stage["height"] * 0.9, steps=3)
    page.mouse.up()
    page.locator(".steer-curve").scroll_into_view_if_needed()
    curve = page.locator(".steer-curve").bounding_box()
    page.mouse.click(curve["x"] + curve["width"] * 0.625, curve["y"] + curve["height"] * 0.25)
    ((onset, level),) = page.evaluate(f"{STEER}.state().onsets")
    assert onset == pytest.approx(2.5, abs=0.05) and level == pytest.approx(-15, abs=0.5)
    sides = []
    for x in (50.0, 206.0):
        drag_to(visitor, x)
        levels = made(visitor)
        sides.append(levels["left"] - levels["right"])
        url = page.evaluate(f"{RESOUND}.state().source")
        before, after = (page.evaluate(LEVEL, [url, *times]) for times in ((0.2, 2.2), (2.5, 2.9)))
        assert after > before + 10 and -35 < after < -10, (x, before, after)
    assert sides[0] > 2 and sides[1] < -2, sides
    page.close()
    assert visitor.off_host() == [] and visitor.problems == []
