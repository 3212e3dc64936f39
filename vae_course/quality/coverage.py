"""`course.py coverage`: find the lines of vae_lib that no test and no notebook reaches.

A line may stay unreached where a comment gives the reason: `# pragma: no cover - on Windows only`.
All tests and notebooks run once, including those of `test --all`, in about twice the time.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from vae_course import ROOT

BUILD = ROOT / "build" / "coverage"
TESTS = ("-m", "vae_course.commands.test", "--all")


def measure(*program: str, root: Path = ROOT) -> tuple[bool, dict[str, list[int]]]:
    """Run a Python program and return whether it succeeded, and the unreached lines of each file.

    Child processes, such as kernels and pytest's workers, are included (`[tool.coverage]` in
    pyproject.toml).

    Args:
        program: the arguments for Python.
        root: the folder to run it in.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    for old in BUILD.glob("data*"):
        old.unlink()
    coverage = [sys.executable, "-m", "coverage"]
    options = [f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={BUILD / 'data'}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    run = [*coverage, "run", *options, *program]
    passed = subprocess.call(run, cwd=root, env=environment) == 0
    subprocess.run([*coverage, "combine", "-q", *options], cwd=root, check=True)
    report = BUILD / "coverage.json"
    command = [*coverage, "json", "-q", *options, "-o", str(report)]
    subprocess.run(command, cwd=root, check=True)
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return passed, {name: file["missing_lines"] for name, file in files.items()}


def main(arguments: list[str]) -> int:
    argparse.ArgumentParser(prog="course.py coverage", description=__doc__).parse_args(arguments)
    passed, missing = measure(*TESTS)
    unreached = [f"{name}:{line}" for name, lines in missing.items() for line in lines]
    for place in unreached:
        print(f"{place}: no test or notebook reaches this line")
    if unreached:
        print("Add a test, or the reason after `# pragma: no cover - `.")
    if not passed:
        print("Some tests failed; see above.")
    return 0 if passed and not unreached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
