"""Generate scenes for training: python -m demo.generate [--out DIR] [--seeds FIRST LAST] [--width W]."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

from demo import recipe, storage
from demo.scenes import Scene, generate


def generated(seeds: range, size: tuple[int, int], processes: int) -> Iterator[Scene]:
    """The scenes of the seeds, in order."""
    make = functools.partial(generate, size=size)
    if processes == 1:
        yield from map(make, seeds)
        return
    with Pool(processes) as pool:
        yield from pool.imap(make, seeds, chunksize=4)


def main() -> None:
    """Read the command line, write the scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=recipe.BUILD / "train")
    first_last = (recipe.TRAINING_SEEDS.start, recipe.TRAINING_SEEDS.stop)
    parser.add_argument("--seeds", type=int, nargs=2, default=first_last, metavar=("FIRST", "LAST"))
    parser.add_argument("--width", type=int, default=recipe.TRAINING_SIZE[0], help="pixels; the height is 3/4 of it")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    size = (arguments.width, arguments.width * 3 // 4)
    count = storage.write(arguments.out, generated(range(*arguments.seeds), size, arguments.processes))
    print(f"{count} scenes of {size[0]}x{size[1]} in {arguments.out}")


if __name__ == "__main__":
    main()
