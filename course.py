#!/usr/bin/env python3
"""The course's one command: create the environment in .venv and run a command of the course in it.

This file uses only the standard library and the grammar of Python 2.7, so that an old Python can
read it far enough to print which version is needed.
"""

from __future__ import print_function

import hashlib
import os
import shutil
import subprocess
import sys

LAB = ["lab", "scale"]
TEST = LAB + ["test"]
MUTANTS = TEST + ["cluster"]
ALL = TEST + ["app", "browser", "cluster", "grade", "site"]  # for `test --all`
COMMANDS = {
    # name: (its folder in vae_course, what it does, the extras of pyproject.toml it needs)
    "lab": ("commands", "open the notebooks in JupyterLab", LAB),
    "app": ("commands", "open the explorer on its own, as a web page", LAB + ["app"]),
    "test": ("commands", "run the tests and every notebook (--all: also the slow tests)", TEST),
    "notebooks": ("commands", "execute notebooks and store their outputs: notebooks 04", TEST),
    "solutions": ("commands", "write the notebooks with their exercises solved", TEST),
    "slides": ("publish", "make slides from the notebooks, for a lecture", TEST + ["site"]),
    "site": ("publish", "build the website: notebooks, glossary, reference", TEST + ["site"]),
    "playground": ("publish", "open the playground, which runs in the browser alone", []),
    "guide": ("publish", "update the computed parts of the instructors' guide", TEST),
    "screenshot": ("publish", "take the README's picture of the explorer", TEST + ["browser"]),
    "weights": ("measured", "retrain the pretrained weights", []),
    "study": ("measured", "train thirty models and compare the rules, for notebook 05", []),
    "bench": ("quality", "measure what search and training cost", TEST + ["bench"]),
    "mutations": ("quality", "break the code on purpose and see whether the tests notice", MUTANTS),
    "faults": ("quality", "kill processes, fill disks, cut networks: is anything lost?", ALL),
    "versions": ("quality", "test with the lowest and the newest versions allowed", TEST),
    "coverage": ("quality", "find lines of vae_lib that no test or notebook reaches", ALL),
    "assignment": ("grading", "write the exercises as an nbgrader assignment", LAB + ["grade"]),
    "grade": ("grading", "grade a folder of submissions and write a CSV", LAB + ["grade"]),
}
SUPPORTED = [(3, 11), (3, 12), (3, 13)]
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
READY = os.path.join(VENV, "course-ready")  # a fingerprint, then the installed extras
LOG = os.path.join(VENV, "install.log")
NEEDED_BYTES = 3 * 1024**3  # the environment takes about 2 GiB, and pip unpacks next to it


class SetupError(Exception):
    """A problem that the user has to solve before the course can start."""


def require_python():
    if sys.version_info[:2] not in SUPPORTED:
        raise SetupError(
            "This is Python {}, but the course needs 3.11, 3.12 or 3.13. Install one of them\n"
            "and use it to start the course, for example: python3.12 course.py lab".format(
                sys.version.split()[0]
            )
        )


def venv_python():
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(VENV, folder, name)


def fingerprint():
    """Return a hash of everything that determines the contents of .venv."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    digest.update(ROOT.encode())  # moving the folder makes its environment stale
    return digest.hexdigest()


def installed_extras():
    """Return the extras in .venv, or None if the last installation is stale or unfinished."""
    if not (os.path.exists(venv_python()) and os.path.exists(READY)):
        return None
    with open(READY, encoding="utf-8") as file:
        lines = file.read().split()
    return set(lines[1:]) if lines[:1] == [fingerprint()] else None


def require_disk():
    if not os.access(ROOT, os.W_OK):
        raise SetupError("You may not write to {}; copy the course elsewhere.".format(ROOT))
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            "The disk is nearly full: {:.1f} GB free at {}, but the installation needs {:.0f} GB.\n"
            "Free some space, then run the same command again.".format(
                free / 1e9, ROOT, NEEDED_BYTES / 1e9
            )
        )


def make_venv():
    """Create .venv, or recreate it if it has no pip or belongs to another Python version."""
    same = "import sys, pip._internal.cli.main; sys.exit(sys.version_info[:2] != {})".format(
        sys.version_info[:2]
    )
    works = [venv_python(), "-c", same]
    if os.path.exists(venv_python()):
        if subprocess.call(works, stderr=subprocess.DEVNULL) == 0:
            return
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        raise SetupError(
            "Python could not create a virtual environment in {} (see the lines above).\n"
            "On Debian and Ubuntu, install python3-venv and run the same command again.".format(
                VENV
            )
        )


def explain_failure():
    """Return what the user can do about the errors in pip's log."""
    if not os.path.exists(LOG):
        return "pip could not start; see the lines above."
    with open(LOG, encoding="utf-8", errors="replace") as file:
        log = file.read()
    if "No space left on device" in log:
        return "The disk is full. Free about 3 GB, then run the same command again."
    signs = ("NewConnectionError", "NameResolution", "ConnectTimeout", "ReadTimeout", "ProxyError")
    if any(sign in log for sign in signs):
        return (
            "The packages are not on this machine yet, and the network cannot be reached.\n"
            "Connect (behind a proxy, set HTTPS_PROXY), then run the same command again."
        )
    return "pip could not install the packages; see the lines above, or all of its output in " + LOG


def install(extras):
    require_disk()
    make_venv()
    if os.path.exists(READY):
        os.remove(READY)  # written again at the end: until then, the installation is unfinished
    target = ".[{}]".format(",".join(extras)) if extras else "."
    print("Installing the course in .venv. This takes a few minutes and 2 GB, once.")
    sys.stdout.flush()
    if os.path.exists(LOG):
        os.remove(LOG)
    command = [venv_python(), "-m", "pip", "install", "--disable-pip-version-check", "--log", LOG]
    command += ["-c", os.path.join(ROOT, "constraints.txt"), "--no-user", "--editable", target]
    # pip would obey settings that send packages elsewhere; --no-user also overrides its config file
    elsewhere = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_USER", "PYTHONHOME")
    environment = {name: os.environ[name] for name in os.environ if name not in elsewhere}
    if subprocess.call(command, cwd=ROOT, env=environment) != 0:
        raise SetupError(explain_failure())
    with open(READY + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join([fingerprint()] + extras) + "\n")
    os.replace(READY + ".new", READY)


def usage():
    lines = ["usage: python3 course.py COMMAND [arguments]", ""]
    lines += ["  {:<11} {}".format(name, COMMANDS[name][1]) for name in COMMANDS]
    return "\n".join(lines + ["", "Add --help to a command to see its arguments."])


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    command = arguments[0]
    if command not in COMMANDS:
        message = "course.py: there is no command '{}'.\n\n{}".format(command, usage())
        print(message, file=sys.stderr)
        return 2
    try:
        require_python()
        needed, present = set(COMMANDS[command][2]), installed_extras()
        if command == "test" and "--all" in arguments:
            needed |= set(ALL)
        if present is None or not needed <= present:
            install(sorted(needed | (present or set())))
    except SetupError as error:
        print("\ncourse.py: {}".format(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ncourse.py: stopped. Run the same command again to resume.", file=sys.stderr)
        return 130
    return run_tool(command, arguments[1:])


def run_tool(command, arguments):
    """Run vae_course/FOLDER/COMMAND.py in .venv, from the user's folder, and leave Ctrl-C to it."""
    sys.path.insert(0, ROOT)
    from vae_course.commands.children import run_until_it_ends

    module = "vae_course.{}.{}".format(COMMANDS[command][0], command)
    return run_until_it_ends([venv_python(), "-P", "-m", module] + arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
