"""Makes assets/furnished/rooms: panoramas of furnished rooms with depth, and their index world.json.

    python assets/furnished/make_rooms.py LIBRARIES [--rooms 0,1,2] [--samples 5] [--keep FOLDER]

LIBRARIES is a folder with the libraries of Debian's package sweethome3d-furniture 1.8, unpacked as the
README says. Needs Blender as a module: `pip install "savg[furnished]"` (Python 3.11). Nothing
that runs, trains or tests needs it. Rooms that are already in --keep are not rendered again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from savg.paths import atomic_file  # noqa: E402

WIDTH, DEPTH_WIDTH = 1280, 640
TRAIN, HELD_OUT = (0, 1, 2, 3, 4, 5), (8, 9)
ATTRIBUTION = (
    "Furniture: BlendSwap contributors (CC0 1.0; CC BY 3.0), Scopia (CC BY 3.0, http://www.scopia.fr), "
    "Kator Legaz (CC BY 3.0, http://www.katorlegaz.com), as packed by Sweet Home 3D; rooms rendered "
    "with Blender."
)


def main() -> None:
    """Render what is missing and write the index."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", type=Path)
    parser.add_argument("--rooms", default=",".join(map(str, TRAIN + HELD_OUT)))
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--keep", type=Path, default=Path("rooms_rendered"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quality", type=int, default=85)
    parser.add_argument("--render-only", action="store_true")
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    for index in (int(part) for part in args.rooms.split(",")):
        if not (args.keep / f"room{index:02d}.json").is_file():
            _render(index, args)
    if not args.render_only:
        _write_index(args)


def _render(index: int, args: argparse.Namespace) -> None:
    for library in ("BlendSwap-CC-0", "BlendSwap-CC-BY", "Scopia", "KatorLegaz"):
        if not (args.libraries / library / "PluginFurnitureCatalog.properties").is_file():
            raise SystemExit(
                f"{args.libraries} must hold the unpacked library {library} of Debian's package "
                "sweethome3d-furniture (see assets/furnished/README.md)."
            )
    try:
        import bpy  # noqa: F401
        import cv2  # noqa: F401
        import numpy as np
        import OpenEXR  # noqa: F401
    except ImportError as error:
        raise SystemExit(
            f'{error.name} is not installed; making the rooms needs it: pip install "savg[furnished]".'
        ) from error
    from room_making import building, plans, rendering

    rng = np.random.default_rng([2026, index])
    plan = plans.draw_plan(rng, index)
    scene = rendering.reset(args.width, args.samples, args.threads)
    built = building.Builder(rng, plan, args.libraries).build()
    rendering.camera(scene, plan.dims[5])
    stem = args.keep / f"room{index:02d}"
    _, depth, seconds = rendering.panorama(scene, stem.with_suffix(".png"))
    with atomic_file(stem.with_suffix(".npy")) as part:
        np.save(part, depth.astype(np.float32))
    places = _probe_places(built, rendering.PROBES)
    light = rendering.light_around(scene, plan.dims[5], places)
    front, back, left, right, height, eye = plan.dims
    facts = {
        "theme": plan.theme, "front": front, "back": back, "left": left, "right": right,
        "height": height, "eye": eye, "night": plan.night, "furniture": built.furniture,
        "light": light,
    }  # fmt: skip
    stem.with_suffix(".exr").unlink(missing_ok=True)
    with atomic_file(stem.with_suffix(".json")) as part:
        part.write_text(json.dumps(facts), encoding="utf-8")
    print(f"room {index}: {plan.theme}, {seconds:.0f} s of processor time", flush=True)


def _probe_places(built: object, count: int) -> list[tuple[float, float]]:
    """A place for each of `count` directions from azimuth −180 on, clear of walls and furniture."""
    import numpy as np

    front, back, left, right, *_ = built.plan.dims  # type: ignore[attr-defined]
    places = []
    for azimuth in np.linspace(-np.pi, np.pi, count, endpoint=False):
        x, y = np.cos(azimuth), np.sin(azimuth)
        choices = [1.9 + 0.1 * k for k in range(9)] + [1.8 - 0.1 * k for k in range(9)]
        for reach in choices:
            px, py = float(reach * x), float(reach * y)
            inside = 0.35 - back < px < front - 0.35 and 0.35 - right < py < left - 0.35
            clear = all(
                not (a - 0.2 < px < c + 0.2 and b - 0.2 < py < d + 0.2)
                for a, b, c, d, _ in built.furniture  # type: ignore[attr-defined]
            )
            if inside and clear:
                break
        places.append((px, py))
    return places


def _write_index(args: argparse.Namespace) -> None:
    """rooms/*.webp and world.json from what is in --keep."""
    import cv2
    import numpy as np
    from room_making.finishing import continued, share_of_walls

    from savg.data.scenes.furnished.index import empty_distance

    out = HERE / "rooms"
    out.mkdir(exist_ok=True)
    rooms = []
    for index in TRAIN + HELD_OUT:
        stem = args.keep / f"room{index:02d}"
        if not stem.with_suffix(".json").is_file():
            continue
        facts = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        image = cv2.imread(str(stem.with_suffix(".png")))
        depth = np.load(stem.with_suffix(".npy"))
        files = {}
        quality = [cv2.IMWRITE_WEBP_QUALITY, args.quality]
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]
        dims = {key: facts[key] for key in ("front", "back", "left", "right", "eye")}
        size = DEPTH_WIDTH, DEPTH_WIDTH // 2
        share = share_of_walls(depth, empty_distance(*size, room_height=facts["height"], **dims))
        pictures = ("image", continued(image), quality), ("depth", share, lossless)
        for kind, pixels, options in pictures:
            done, code = cv2.imencode(".webp", pixels, options)
            assert done, f"{stem}: {kind} could not be written as WebP"
            name = f"rooms/room{index:02d}{'' if kind == 'image' else '_depth'}.webp"
            with atomic_file(HERE / name) as part:
                part.write_bytes(code.tobytes())
            files[kind] = {
                "file": name, "bytes": len(code), "sha256": hashlib.sha256(code.tobytes()).hexdigest()
            }  # fmt: skip
        split = "train" if index in TRAIN else "held_out"
        rooms.append({"name": f"room{index:02d}", "split": split, **files, **facts})
    index_file = {"attribution": ATTRIBUTION, "rooms": rooms}
    text = json.dumps(index_file, indent=1)
    with atomic_file(HERE / "world.json") as part:
        part.write_text(_compact(text) + "\n", encoding="utf-8")
    total = sum(room[kind]["bytes"] for room in rooms for kind in ("image", "depth"))
    print(f"{len(rooms)} rooms, {total / 1e3:.0f} kB")


def _compact(text: str) -> str:
    """JSON with lists of numbers on one line."""
    import re

    return re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)


if __name__ == "__main__":
    main()
