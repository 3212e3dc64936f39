"""The process that runs a submission, confined by `sandbox`, and answers the requests of `session`.

After its first cell has run, a submission can patch everything in this process. The process
therefore returns only the values of names and the results of functions, never a verdict.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Import what cells are likely to use now, because only trusted code may run before `lock_in`.
import numpy as np
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from vae_course import ROOT
from vae_course.grading.messages import MAX_LINE, decoded, encoded, plain, unpacked
from vae_course.grading.sandbox import NoSandboxError, lock_in

LIBRARY = ROOT / "vae_lib"
COURSE = ROOT / "vae_course"
READABLE = ("__init__.py", "figures", "measured")  # the rest of the course contains the answers
SYSTEM = ("/usr", "/lib", "/lib64", "/sys/devices/system", "/etc/ld.so.cache", "/etc/localtime")
PROCESS = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/dev/null", "/dev/zero", "/dev/urandom")


def readable() -> list[Path]:
    """Return what a submission may read: Python, its packages, and the course without answers."""
    library = [LIBRARY, *(COURSE / name for name in READABLE)]
    python = [Path(sys.prefix), Path(sys.base_prefix)]
    return [*python, *map(Path, SYSTEM + PROCESS), *library]


def without_answers() -> None:
    """Replace `vae_course.exercises` with a module whose checks do nothing."""
    module = ModuleType("vae_course.exercises")
    for name in ("check", "quiz", "require"):
        setattr(module, name, lambda *arguments, **options: None)
    sys.modules[module.__name__] = module


def require_hidden_answers() -> None:
    """Raise a NoSandboxError if this process can read the answers."""
    with contextlib.suppress(PermissionError):
        (COURSE / "exercises" / "checking.py").read_bytes()
        raise NoSandboxError(f"the course is in a folder of Python or of the system, {COURSE}")


class Shell(InteractiveShell):
    """A shell that runs cells, including magics."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing, as nobody looks at the figures that `%matplotlib inline` would show."""


def new_shell(folder: Path) -> InteractiveShell:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    return Shell.instance(config=config, ipython_dir=str(folder))


def run(shell: InteractiveShell, source: str) -> dict[str, Any]:
    """Run a cell and return the error that it raised, if any."""
    result = shell.run_cell(source)
    error = result.error_before_exec or result.error_in_exec
    return {"error": None if error is None else described(error)}


def call(answer: Callable[..., Any], arguments: list[dict[str, Any]]) -> dict[str, Any]:
    """Call a function and return a description of its result or error."""
    try:
        return plain(answer(*map(unpacked, arguments)))
    except BaseException as error:
        return {"raised": described(error)}


def described(error: BaseException) -> list[str]:
    """Return the name and the message of an error."""
    try:
        return [type(error).__name__, str(error)[:400]]
    except Exception:
        return [type(error).__name__, ""]


def answer_to(shell: InteractiveShell, request: dict[str, Any]) -> dict[str, Any]:
    if "run" in request:
        return run(shell, request["run"])
    value = shell.user_ns.get(request["name"], ...)
    return call(value, request["call"]) if "call" in request else plain(value)


def main(folder: Path, memory: int, seconds: int, file: int) -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    os.chdir(folder)
    without_answers()
    shell = new_shell(folder)
    torch.ones(2, 2, dtype=torch.float64) @ np.ones((2, 2))  # starts threads now
    try:
        lock_in(folder, readable(), [COURSE], memory, seconds, file)
        require_hidden_answers()
        ready: dict[str, Any] = {"ready": True}
    except NoSandboxError as error:
        ready = {"refused": str(error)}
    replies.write(encoded(ready))
    replies.flush()
    while "ready" in ready and (line := requests.readline(MAX_LINE)):
        try:
            reply = encoded(answer_to(shell, decoded(line)))
        except Exception as error:  # the value cannot be described
            reply = encoded({"raised": described(error)})
        replies.write(reply)
        replies.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
