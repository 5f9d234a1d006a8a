"""`make fuzz`: damaged files for every reader, such as `make fuzz N=5000 SEED=7 JOBS=2`.

`make fuzz CASE=clip/boxes/17` repeats a case and says what happens.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from tests.fuzz.case import Case, Plan
from tests.fuzz.worker import outcomes

PLACE = "tests.fuzz.readers:TABLE"


def main() -> int:
    """Run the cases; returns the exit code, 1 for faults."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--readers", nargs="*", default=[])
    parser.add_argument("--case", nargs="*", default=[])
    args = parser.parse_args()
    wanted = [Case.parse(text) for text in args.case] or Plan(
        args.cases, args.seed, (*args.readers,)
    )
    if not args.case:
        print(f"{args.cases} cases of seed {args.seed}", flush=True)
    begin, counts, faults, largest, slowest = time.monotonic(), Counter[str](), 0, 0, 0.0
    for outcome in outcomes(PLACE, wanted, jobs=args.jobs):
        counts["fault" if not outcome.is_good else outcome.kind] += 1
        faults += not outcome.is_good
        largest, slowest = max(largest, outcome.peak), max(slowest, outcome.seconds)
        if counts.total() % 500 == 0:
            print(f"{counts.total()} done, {faults} faults", flush=True)
        if not outcome.is_good or args.case:
            print(f"{outcome.case}: {outcome.kind}: {outcome.text}", flush=True)
    summary = ", ".join(f"{number} {kind}s" for kind, number in counts.most_common())
    print(
        f"{summary}; {time.monotonic() - begin:.0f} s, slowest {slowest:.1f} s, "
        f"most memory {largest / 1e9:.2f} GB"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
