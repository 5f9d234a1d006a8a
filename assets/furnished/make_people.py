"""Makes the bank of people (people.npz, people.json) out of Sweet Home 3D's furniture libraries.

    python assets/furnished/make_people.py LIBRARIES [--only NAME,NAME] [--out FOLDER] [--jobs N]

LIBRARIES holds a folder for each unpacked library (Reallusion, BlendSwap-CC-0, KatorLegaz, Scopia); the
README beside this file says how to get them. Who is drawn stays in FOLDER/parts, so that a run that was
broken off goes on; remove it to draw everybody anew. Takes about six minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

try:
    import moderngl  # noqa: F401
    import scipy  # noqa: F401
    from PIL import Image  # noqa: F401
except ImportError as error:
    sys.exit(f"make_people needs {error.name}: install the extra with pip install -e .[furnished].")

import numpy as np  # noqa: E402
from maker.outfits import OUTFITS  # noqa: E402
from maker.palette import recolours  # noqa: E402
from maker.sprites import PIXELS_PER_METRE, PLANS, SEES_MOUTH, Studio, encode, posed  # noqa: E402

from savg.arrays import write_arrays  # noqa: E402
from savg.data.scenes.furnished.sprites import COLUMNS  # noqa: E402
from savg.paths import atomic_file, file_sha256  # noqa: E402

SOURCES = {
    "reallusion": "People: Reallusion (http://www.reallusion.com), CC BY 3.0 US, modified: posed, "
    "recoloured and rendered; chairs, guitar: BlendSwap contributors Seavenois, MZiemys and exL (CC0), "
    "Scopia / eTeks (CC BY 3.0), Andrew Kator & Jennifer Legaz (CC BY 3.0 US, also the keyboard)."
}


def draw(libraries: Path, parts: Path, number: int) -> None:
    """Draw a person into a file of `parts`, unless it is there."""
    outfit = OUTFITS[number]
    path = parts / f"{outfit.name}.npz"
    if path.is_file():
        return
    joints = json.loads((HERE / "maker" / "joints.json").read_text())
    studio = Studio(libraries)
    model = studio.person(outfit, number, np.array(joints[str(outfit.model)]))
    data, rows = bytearray(), []
    for a, (action, plan) in enumerate(PLANS.items()):
        for phase, (target, objects) in enumerate(model.targets(action)):
            pose = posed(studio, model, target, objects)
            for turn in plan.turns:
                sees = abs(turn) <= SEES_MOUTH.get(action, -1)
                sprite = encode(studio, model, pose, turn, sees)
                rows.append([0, a, phase, turn, len(data), *sprite.row])
                data += b"".join(sprite.parts)
    studio.release()
    entry = {
        "name": outfit.name, "female": outfit.female, "skin_tone": outfit.skin_tone,
        "height": round(model.character.height * outfit.scale[1], 3),
        "source": "reallusion", "split": outfit.split,
        "recolours": recolours(model.textures, number),
    }  # fmt: skip
    write_arrays(
        path, entry=np.array(json.dumps(entry)), rows=np.array(rows, np.int32),
        bytes=np.frombuffer(bytes(data), np.uint8),
    )  # fmt: skip
    print(f"{outfit.name}: {len(data) / 1024:.0f} KiB", flush=True)


def read_part(path: Path) -> tuple[dict, np.ndarray, bytes]:
    """A person's entry of the index, rows of the table (person 0, offsets from 0), pictures."""
    with np.load(path, allow_pickle=False) as part:
        return json.loads(str(part["entry"])), part["rows"], part["bytes"].tobytes()


def main() -> None:
    """Draw everybody, or some, and write the two files."""
    parser = argparse.ArgumentParser(description="Make the bank of people.")
    parser.add_argument("libraries", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("runs/people"))
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    for library in ("Reallusion", "BlendSwap-CC-0", "KatorLegaz", "Scopia"):
        if not (arguments.libraries / library / "PluginFurnitureCatalog.properties").is_file():
            sys.exit(f"{arguments.libraries / library} must be an unpacked library: see README.md.")
    parts = arguments.out / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    names = [n for n in arguments.only.split(",") if n]
    numbers = [k for k, outfit in enumerate(OUTFITS) if not names or outfit.name in names]
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        list(pool.map(partial(draw, arguments.libraries, parts), numbers))
    drawn = [read_part(parts / f"{OUTFITS[k].name}.npz") for k in numbers]
    data, table = bytearray(), []
    for person, (_, rows, pictures) in enumerate(drawn):
        rows[:, COLUMNS.index("person")] = person
        rows[:, COLUMNS.index("offset")] += len(data)
        table.append(rows)
        data += pictures
    actions = {
        name: {
            "phases": plan.phases, "mirrored": plan.mirrored, "strokes": plan.strokes,
            "pitches": plan.pitches,
            "turns": sorted({*plan.turns, *(-t for t in plan.turns if plan.mirrored and t < 180)}),
        }
        for name, plan in PLANS.items()
    }  # fmt: skip
    path = arguments.out / "people.npz"
    columns = np.concatenate(table)
    write_arrays(path, bytes=np.frombuffer(bytes(data), np.uint8), table=columns, compressed=True)
    index = {
        "sha256": file_sha256(path), "pixels_per_metre": PIXELS_PER_METRE,
        "people": [entry for entry, _, _ in drawn], "actions": actions, "sources": SOURCES,
    }  # fmt: skip
    text = json.dumps(index, indent=1, ensure_ascii=False)
    with atomic_file(arguments.out / "people.json") as part:
        part.write_text(text + "\n", encoding="utf-8")
    print(f"{path}: {len(columns)} sprites, {path.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
