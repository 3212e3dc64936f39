"""`course.py versions`: run the tests with other versions than those in constraints.txt.

The command creates two environments in build/versions with the Python that runs it: one with the
lowest version of each package that pyproject.toml allows, one with the newest released versions.
torch and torchvision keep their pinned versions in both. The tests run in each and tolerate
warnings, because combinations of old and new versions cause warnings that need no action.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from vae_course import ROOT

BUILD = ROOT / "build" / "versions"
PINNED = ("torch", "torchvision")


def pins(root: Path = ROOT) -> list[str]:
    """Return the pins of torch and torchvision in constraints.txt."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = [line.split(" ")[0] for line in lines]
    return [pin for pin in found if pin.partition("==")[0] in PINNED]


def lowest(root: Path = ROOT) -> list[str]:
    """Return pins for the lowest version of each package in pyproject.toml, as uv resolves them.

    Packages that pyproject.toml does not name get their newest version.

    Raises:
        CalledProcessError: there is no solution or no network.
    """
    constraints = root / "build" / "torch.txt"
    constraints.parent.mkdir(exist_ok=True)
    constraints.write_text("\n".join(pins(root)) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--resolution", "lowest-direct"]
    # only versions that have a wheel for this Python
    command += ["--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    command += ["--python", sys.executable, "--constraint", str(constraints), "--all-extras"]
    result = subprocess.run(
        [*command, "pyproject.toml"], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    )
    return result.stdout.splitlines()


def extras() -> list[str]:
    """Return the names of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"])


def make(which: str) -> Path:
    """Create an environment and return its Python. Raises a CalledProcessError."""
    folder = BUILD / which
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    constraints = folder / "constraints.txt"
    versions = lowest() if which == "lowest" else pins()
    constraints.write_text("\n".join(versions) + "\n", encoding="utf-8")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    install += ["-c", str(constraints), "--editable", f".[{','.join(extras())}]"]
    subprocess.run(install, cwd=ROOT, check=True)
    return python


def run_tests(python: Path, arguments: list[str]) -> bool:
    """Run the tests in an environment and tolerate warnings."""
    command = [str(python), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-W", "default"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.call([*command, "tests", *arguments], cwd=ROOT, env=environment) == 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py versions", description=__doc__)
    parser.add_argument("which", nargs="*", help="lowest, newest or both (default)")
    parser.add_argument("--all", action="store_true", help="also the slow tests")
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
