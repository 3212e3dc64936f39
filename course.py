#!/usr/bin/env python3
"""The course's one command: it makes the environment in .venv, then runs a module in it.

This file uses the standard library only, and nothing newer than Python 2.7's grammar, so that an
old Python can read it far enough to say what is wrong.
"""

from __future__ import print_function

import hashlib
import os
import shutil
import subprocess
import sys

LAB = ["lab", "scale"]
TEST = LAB + ["test"]
MUTATIONS = TEST + ["cluster"]
ALL = TEST + ["app", "browser", "cluster", "grade", "site"]  # for `test --all`
COMMANDS = {
    # name: (its folder in vae_course, what it does, the extras of pyproject.toml that it needs)
    "lab": ("commands", "open the notebooks in JupyterLab", LAB),
    "app": ("commands", "open the explorer alone, as a page of its own", LAB + ["app"]),
    "test": ("commands", "run the tests and every notebook (--all: also the slow parts)", TEST),
    "notebooks": ("commands", "execute notebooks, store their outputs: notebooks 04", TEST),
    "solutions": ("commands", "write the notebooks with their exercises solved", TEST),
    "slides": ("publish", "make slides of the notebooks, for a lecture", TEST + ["site"]),
    "site": ("publish", "build the site: notebooks, glossary, library reference", TEST + ["site"]),
    "guide": ("publish", "renew what is computed in the instructors' guide", TEST),
    "weights": ("measured", "retrain the pretrained weights", []),
    "mutations": ("quality", "break the code on purpose: do the tests notice?", MUTATIONS),
    "faults": ("quality", "kill, fill up, disconnect, many times: is anything lost?", ALL),
    "versions": ("quality", "run the tests with the lowest and the newest versions allowed", TEST),
    "study": ("measured", "train over several seeds and objectives, for notebook 05", []),
    "bench": ("quality", "measure what search and training cost, beside others", TEST + ["bench"]),
    "assignment": ("grading", "write the exercises as an assignment for nbgrader", LAB + ["grade"]),
    "grade": ("grading", "grade a folder of submissions and write a CSV", LAB + ["grade"]),
    "screenshot": ("publish", "photograph the explorer for the README", TEST + ["browser"]),
}
SUPPORTED = [(3, 11), (3, 12), (3, 13)]
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
READY = os.path.join(VENV, "course-ready")  # lists the extras installed, under a fingerprint
LOG = os.path.join(VENV, "install.log")
NEEDED_BYTES = 3 * 1024**3  # the environment takes about 2 GiB, and pip unpacks beside it


class SetupError(Exception):
    """Something a person has to mend before the course can start."""


def require_python():
    if sys.version_info[:2] not in SUPPORTED:
        raise SetupError(
            "This is Python {}, and the course needs 3.11, 3.12 or 3.13. Install one of them,\n"
            "then start again with it, for example: python3.12 course.py lab".format(
                sys.version.split()[0]
            )
        )


def venv_python():
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(VENV, folder, name)


def fingerprint():
    """Return a hash of everything that decides what belongs in .venv."""
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    digest.update(ROOT.encode())  # an environment that was moved along with its folder is stale
    return digest.hexdigest()


def installed_extras():
    """Return the extras in .venv, or None where no install of this very version was finished."""
    if not (os.path.exists(venv_python()) and os.path.exists(READY)):
        return None
    with open(READY) as file:
        lines = file.read().split()
    return set(lines[1:]) if lines[:1] == [fingerprint()] else None


def require_disk():
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            "The disk is nearly full: {:.1f} GB free at {}, and the install needs {:.0f} GB.\n"
            "Free some space, then run the same command again.".format(
                free / 1e9, ROOT, NEEDED_BYTES / 1e9
            )
        )


def make_venv():
    """Create .venv; again from nothing where it has no pip, or belongs to another Python."""
    same = "import sys, pip._internal.cli.main; sys.exit(sys.version_info[:2] != {})".format(
        sys.version_info[:2]
    )
    works = [venv_python(), "-c", same]
    if os.path.exists(venv_python()):
        if subprocess.call(works, stderr=subprocess.DEVNULL) == 0:
            return
    if subprocess.call([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        raise SetupError(
            "Python could not make a virtual environment in {} (see the lines above).\n"
            "On Debian and Ubuntu, install python3-venv and run the same command again.".format(
                VENV
            )
        )


def explain_failure():
    """Turn the end of pip's log into a sentence that says what to do."""
    if not os.path.exists(LOG):
        return "pip could not start; its last words are above."
    with open(LOG, errors="replace") as file:
        log = file.read()
    if "No space left on device" in log:
        return "The disk is full. Free about 3 GB, then run the same command again."
    signs = ("NewConnectionError", "NameResolution", "ConnectTimeout", "ReadTimeout", "ProxyError")
    if any(sign in log for sign in signs):
        return (
            "The network cannot be reached, and the packages are not on this machine yet.\n"
            "Connect (behind a proxy, set HTTPS_PROXY), then run the same command again."
        )
    return "pip could not install the packages; its last words are above, all of them in " + LOG


def install(extras):
    require_disk()
    make_venv()
    if os.path.exists(READY):
        os.remove(READY)  # from here until the end, an interruption leaves the install unfinished
    target = ".[{}]".format(",".join(extras)) if extras else "."
    print("Installing the course into .venv, once (about 2 GB, a few minutes) ...")
    sys.stdout.flush()
    if os.path.exists(LOG):
        os.remove(LOG)
    command = [venv_python(), "-m", "pip", "install", "--disable-pip-version-check", "--log", LOG]
    command += ["-c", os.path.join(ROOT, "constraints.txt"), "--editable", target]
    if subprocess.call(command, cwd=ROOT) != 0:
        raise SetupError(explain_failure())
    with open(READY + ".new", "w") as file:
        file.write("\n".join([fingerprint()] + extras) + "\n")
    os.replace(READY + ".new", READY)


def usage():
    lines = ["usage: python3 course.py COMMAND [arguments]", ""]
    lines += ["  {:<11} {}".format(name, COMMANDS[name][1]) for name in COMMANDS]
    return "\n".join(lines + ["", "Any command with --help tells its arguments."])


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    command = arguments[0]
    if command not in COMMANDS:
        print(
            "course.py: there is no command '{}'.\n\n{}".format(command, usage()), file=sys.stderr
        )
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
        print("\ncourse.py: stopped. The same command goes on from here.", file=sys.stderr)
        return 130
    return run_tool(command, arguments[1:])


def run_tool(command, arguments):
    """Run vae_course/FOLDER/COMMAND.py in .venv and hand Ctrl-C to it alone."""
    module = "vae_course.{}.{}".format(COMMANDS[command][0], command)
    process = subprocess.Popen([venv_python(), "-m", module] + arguments, cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the tool got it too, and ends in its own way


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
