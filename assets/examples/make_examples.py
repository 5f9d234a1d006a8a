"""Makes the example clips beside it: four synthetic scenes, picked for variety among seeds 1 to 8.

python assets/examples/make_examples.py          (in the repository's folder)
"""

from __future__ import annotations

import json
from pathlib import Path

from savg.data.scenes import World, draw_scene, render

SEEDS = (1, 2, 3, 8)
KINDS = {0: "speech", 1: "speech", 9: "music"}


def main() -> None:
    """Write scene_SEED.mp4, its labels as CSV, and its title as JSON."""
    folder = Path(__file__).parent
    for seed in SEEDS:
        rendered = render(draw_scene(seed, World.varied()))
        stem = folder / f"scene_{seed}"
        rendered.clip.write(stem.with_suffix(".mp4"))
        rendered.labels.write_csv(stem.with_suffix(".csv"))
        kind = KINDS[int(rendered.labels.classes[0])]
        card = {"title": f"Room {seed}, {kind}", "origin": "Example, synthetic"}
        stem.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
