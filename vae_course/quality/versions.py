"""`course.py versions`: do the tests pass with other versions than those in constraints.txt?

Two environments are made in build/versions, by the Python that runs this: one with the lowest
version of each package that pyproject.toml allows, one with the newest released. torch and
torchvision stay at their pins in both. The tests run in each, warnings allowed: a newer version may
announce a change, and an older one may meet a newer companion.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from vae_course import ROOT

BUILD = ROOT / "build" / "versions"
PINNED = ("torch", "torchvision")
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\d.]+)")


def pins() -> dict[str, str]:
    """Return the versions of torch and torchvision in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
    return {name: found[name] for name in PINNED}


def lowest() -> dict[str, str]:
    """Return the lowest version of every package that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found = {}
    for requirement in (each for lines in lists for each in lines):
        match = REQUIREMENT.match(requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: expected a lower bound (>=), got {requirement!r}")
        found[match[1]] = match[2]
    return found


def extras() -> list[str]:
    """Return the names of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"])


def constraints(which: str) -> dict[str, str]:
    """Return what pip is held to: torch alone, or the lowest version of everything."""
    return (lowest() if which == "lowest" else {}) | pins()


def make(which: str) -> Path:
    """Make an environment from nothing; return its Python. Raises a CalledProcessError."""
    folder = BUILD / which
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    held = folder / "constraints.txt"
    held.write_text("".join(f"{name}=={version}\n" for name, version in constraints(which).items()))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # only wheels: an old version without one for this Python is no version that one can install
    install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    install += ["-c", str(held), "--editable", f".[{','.join(extras())}]"]
    subprocess.run(install, cwd=ROOT, check=True)
    return python


def run_tests(python: Path, arguments: list[str]) -> bool:
    """Run the tests in an environment, warnings allowed."""
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-W", "default"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.call([*command, "tests", *arguments], cwd=ROOT, env=environment) == 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py versions", description=__doc__)
    parser.add_argument("which", nargs="*", help="lowest, newest or both (default)")
    parser.add_argument("--all", action="store_true", help="the slow tests, too")
    chosen = parser.parse_args(arguments)
    wanted = chosen.which or ["lowest", "newest"]
    if not set(wanted) <= {"lowest", "newest"}:
        parser.error(f"expected lowest or newest, got {' '.join(wanted)}")
    passed = {}
    for which in wanted:
        print(f"{which} versions, Python {sys.version.split()[0]}", flush=True)
        try:
            python = make(which)
        except subprocess.CalledProcessError as error:
            print(f"The {which} versions cannot be installed: {error}")
            passed[which] = False
            continue
        passed[which] = run_tests(python, [] if chosen.all else ["-m", "not slow"])
    for which, good in passed.items():
        print(f"{which}: {'passed' if good else 'FAILED'}")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
