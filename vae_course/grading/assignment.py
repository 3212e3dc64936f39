"""`course.py assignment`: write the exercises as an assignment in nbgrader's format.

The command writes one notebook for each chapter to FOLDER/release. Each --seed makes a variant with
other numbers in the exercises. `course.py grade` needs the rest of FOLDER; instructors/grading.md
explains both commands.
"""

import argparse
import sys
from pathlib import Path

from vae_course import ROOT
from vae_course.grading.gradebook import Gradebook

FOLDER = ROOT / "build" / "assignment"


def seed(text: str) -> int:
    """Return the seed in an argument of the command line."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 999999999")
    return int(text)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py assignment", description=__doc__)
    parser.add_argument(
        "--seed", type=seed, help="the seed of a variant (default: the course's own numbers)"
    )
    parser.add_argument(
        "--course",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help=f"folder to write (default: {FOLDER})",
    )
    options = parser.parse_args(arguments)
    release = Gradebook(options.course).make(options.seed)
    names = sorted(path.name for path in release.glob("*.ipynb"))
    print(f"Hand out the {len(names)} notebooks in {release}.")
    print(f"Keep the rest of {options.course} to yourself; `course.py grade` needs it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
