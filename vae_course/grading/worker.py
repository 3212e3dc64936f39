"""The process that a submission runs in: it answers what `session` asks, locked in by `sandbox`.

Everything in here may be patched by the submission, once its first cell has run. So this process
says only what a name holds or what a function returns, never whether that is right.
"""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# What a cell is likely to use is imported now: what is not locked in yet must be trusted code.
import numpy as np
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from vae_course import ROOT
from vae_course.grading.messages import LONGEST, decoded, encoded, plain, unpacked
from vae_course.grading.sandbox import NoSandboxError, lock_in

LIBRARY = ROOT / "vae_lib"
COURSE = ROOT / "vae_course"
READABLE = ("__init__.py", "figures", "measured")  # the rest of the course holds the answers
SYSTEM = ("/usr", "/lib", "/lib64", "/sys/devices/system", "/etc/ld.so.cache", "/etc/localtime")
PROCESS = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/dev/null", "/dev/zero", "/dev/urandom")


def readable() -> list[Path]:
    """Return what a submission may read: Python, its packages, and vae_lib without the answers."""
    library = [LIBRARY, *(COURSE / name for name in READABLE)]
    python = [Path(sys.prefix), Path(sys.base_prefix)]
    return [*python, *map(Path, SYSTEM + PROCESS), *library]


def without_answers() -> None:
    """Put a `vae_course.exercises` in place whose checks say nothing."""
    module = ModuleType("vae_course.exercises")
    for name in ("check", "quiz", "require"):
        setattr(module, name, lambda *arguments, **options: None)
    sys.modules[module.__name__] = module


def require_hidden_answers() -> None:
    """Raise a NoSandboxError where the answers lie in a folder that has to be readable."""
    with contextlib.suppress(PermissionError):
        (COURSE / "exercises" / "checking.py").read_bytes()
        raise NoSandboxError(f"the course lies in a folder of Python or of the system, {COURSE}")


class Shell(InteractiveShell):
    """What runs the cells, magics and all."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: `%matplotlib inline` asks for it, and nobody looks at the figures."""


def new_shell(folder: Path) -> InteractiveShell:
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    return Shell.instance(config=config, ipython_dir=str(folder))


def run(shell: InteractiveShell, source: str) -> dict[str, Any]:
    """Run a cell and say which error it raised, if any."""
    result = shell.run_cell(source)
    error = result.error_before_exec or result.error_in_exec
    return {"error": None if error is None else told(error)}


def call(answer: Callable[..., Any], arguments: list[dict[str, Any]]) -> dict[str, Any]:
    """Call a function and describe what it returns or raises."""
    try:
        return plain(answer(*map(unpacked, arguments)))
    except BaseException as error:
        return {"raised": told(error)}


def told(error: BaseException) -> list[str]:
    """Return the name of an error, and what it says."""
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
    torch.ones(2, 2, dtype=torch.float64) @ np.ones((2, 2))  # what a first product starts
    try:
        lock_in(folder, readable(), [COURSE], memory, seconds, file)
        require_hidden_answers()
        ready: dict[str, Any] = {"ready": True}
    except NoSandboxError as error:
        ready = {"refused": str(error)}
    replies.write(encoded(ready))
    replies.flush()
    while "ready" in ready and (line := requests.readline(LONGEST)):
        try:
            reply = encoded(answer_to(shell, decoded(line)))
        except Exception as error:  # a value that cannot even be described
            reply = encoded({"raised": told(error)})
        replies.write(reply)
        replies.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
