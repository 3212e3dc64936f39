"""How the course starts other programs. Standard library only, since course.py uses it as well."""

import getpass
import os
import subprocess
from collections.abc import Mapping, Sequence

from vae_course import ROOT

DATA_SETS = ("auto", "drawn", "fashion-mnist")  # values of VAE_LIB_IMAGES that are not folders
SPARE_HOME = ROOT / "build" / "home"


def course_environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment variables for a command of the course or for a kernel.

    Folders become absolute, because a kernel runs in notebooks/ and not where the user typed the
    command. A machine without a usable home or user name gets substitutes, since Jupyter and torch
    ask for both. Characters that the terminal cannot encode are written as \\u03c3, for example.

    Args:
        given: the variables to start from.
    """
    found = {name: value for name, value in given.items() if name != "PYTHONHOME"}
    if folder := found.get("VAE_LIB_DATA"):
        found["VAE_LIB_DATA"] = _absolute(folder)
    images = found.get("VAE_LIB_IMAGES")
    if images and images not in DATA_SETS and os.path.isdir(_absolute(images)):
        found["VAE_LIB_IMAGES"] = _absolute(images)
    encoding, _, handler = found.get("PYTHONIOENCODING", "").partition(":")
    found["PYTHONIOENCODING"] = f"{encoding}:{handler or 'backslashreplace'}"
    if os.name == "posix" and not _usable(found.get("HOME") or os.path.expanduser("~")):
        SPARE_HOME.mkdir(parents=True, exist_ok=True)
        found["HOME"] = str(SPARE_HOME)
    try:
        getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user id that no account belongs to
        found["USER"] = "learner"
    return found


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))


def _usable(home: str) -> bool:
    return os.path.isabs(home) and os.path.isdir(home) and os.access(home, os.W_OK)


def run_until_it_ends(command: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run a program with `course_environment` and return its exit status.

    Ctrl-C reaches the program as well, and it decides how to end: JupyterLab asks first and then
    stops its kernels. This function waits until the program has ended.

    Args:
        command: the program and its arguments.
        environment: the variables that `course_environment` starts from.
    """
    process = subprocess.Popen(command, env=course_environment(environment))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass
