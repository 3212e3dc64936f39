"""The grader's side of a submission's process: run its cells, ask for answers, and end it.

The process returns answers only. The grader decides whether they are right, with
`vae_course.exercises.checking.examine` and on inputs that the submission has not seen.
"""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae_course import ROOT
from vae_course.grading.messages import (
    MAX_LINE,
    NonsenseError,
    answer_in,
    decoded,
    encoded,
    error_in,
    packed,
)
from vae_course.grading.sandbox import NoSandboxError, require_sandbox

TICK = 0.1  # seconds between two checks of the files that the process has written
ENVIRONMENT = {  # with one thread, since only a process of one thread can be confined
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUTF8": "1",
}
HOMES = ("HOME", "TMPDIR", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")  # all set to its folder


@dataclass(frozen=True)
class Limits:
    """The limits for one notebook.

    Attributes:
        seconds: the time for everything, in wall time and in processor time.
        seconds_per_cell: the wall time for one cell.
        memory: bytes beyond what Python and torch take.
        folder: bytes of all files together.
        file: bytes of one file.
        files: the number of files.
    """

    seconds: int = 120
    seconds_per_cell: float = 20.0
    memory: int = 2 * 1024**3
    folder: int = 50_000_000
    file: int = 20_000_000
    files: int = 200


class LostError(Exception):
    """The process has ended; the message says why."""


class Session:
    """The process that runs a submission's cells; a context manager.

    If a cell ends the process or runs too long, a new process runs the other cells again.

    Args:
        cells: the source of each code cell.
        limits: the limits for the submission.

    Attributes:
        remarks: lines for the instructor about errors and stopped cells.
    """

    def __init__(self, cells: list[str], limits: Limits):
        self.cells = dict(enumerate(cells, start=1))
        self.limits = limits
        self.remarks: list[str] = []
        self._end = time.monotonic() + limits.seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""

    def __enter__(self) -> "Session":
        self._folder = Path(tempfile.mkdtemp(prefix="submission-"))
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def answer(self, name: str) -> Any:
        """Return the value of a name after all cells, a `Function` if it can be called."""
        if not self.cells:
            return ...
        with self._doubt():
            reply = self._asked({"name": name})
            return Function(self, name) if "function" in reply else answer_in(reply)

    def call(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return the result of a function of the submission, or raise an error of the same name."""
        with self._doubt():
            reply = self._asked({"name": name, "call": list(map(packed, arguments))})
            if "raised" in reply:
                kind, words = error_in(reply["raised"])
                raise type(kind, (Exception,), {})(words)
            return answer_in(reply)

    def stop(self) -> None:
        """End the process, which cannot have started others."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                pipe.close()  # type: ignore[union-attr]
        self._process = None

    # --- the process ------------------------------------------------------------------------------

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._start()
        return self._exchange(request, self.limits.seconds_per_cell)

    @contextlib.contextmanager
    def _doubt(self) -> Iterator[None]:
        """End the process if its reply is not a valid message."""
        try:
            yield
        except (NonsenseError, RecursionError, ValueError, TypeError):
            self.stop()
            raise LostError("its process sent something that is not an answer") from None

    def _start(self) -> None:
        """Start a process and run all cells, except those that have ended a process before."""
        while self._process is None:
            if time.monotonic() > self._end:
                raise LostError(f"the {self.limits.seconds} seconds of this notebook were used up")
            self._launch()
            for number, source in list(self.cells.items()):
                try:
                    self._run(number, source)
                except LostError as lost:
                    del self.cells[number]
                    self._remark(f"cell {number}: {lost}")
                    break

    def _run(self, number: int, source: str) -> None:
        with self._doubt():
            reply = self._asked({"run": source})
            if reply.get("error") is not None:
                self._remark(f"cell {number} raised {': '.join(error_in(reply['error']))}")

    def _remark(self, text: str) -> None:
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if line not in self.remarks:
            self.remarks.append(line if len(line) <= 160 else line[:159] + "…")

    def _launch(self) -> None:
        self._received = b""
        for path in self._folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        limits = map(str, (self.limits.memory, self.limits.seconds, self.limits.file))
        home = {name: str(self._folder) for name in HOMES}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vae_course.grading.worker", str(self._folder), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PATH": os.defpath, **ENVIRONMENT, **home},
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]
        try:
            ready = decoded(self._line(time.monotonic() + 120))
        except LostError as lost:  # none of the submission has run yet
            raise RuntimeError(f"the process for a submission did not start: {lost}") from None
        if "refused" in ready:
            self.stop()
            raise NoSandboxError(ready["refused"])

    # --- the conversation -------------------------------------------------------------------------

    def _exchange(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        until = min(time.monotonic() + seconds, self._end)
        try:
            self._send(encoded(request), until)
            return decoded(self._line(until))
        except BaseException:  # including TimeUp from `examine`
            self.stop()
            raise

    def _send(self, line: bytes, until: float) -> None:
        pipe = self._process.stdin.fileno()  # type: ignore[union-attr]
        while line:
            self._wait([], [pipe], until)
            try:
                line = line[os.write(pipe, line) :]
            except BrokenPipeError:
                raise self._ended() from None

    def _line(self, until: float) -> bytes:
        pipe = self._process.stdout.fileno()  # type: ignore[union-attr]
        while b"\n" not in self._received:
            self._wait([pipe], [], until)
            received = os.read(pipe, 1 << 16)
            if not received:
                raise self._ended()
            self._received += received
            if len(self._received) > MAX_LINE:
                raise LostError("its process sent more than an answer can hold")
        line, self._received = self._received.split(b"\n", 1)
        return line

    def _wait(self, read: list[int], write: list[int], until: float) -> None:
        while True:
            if time.monotonic() > until:
                raise LostError("it was still running at its time limit and was stopped")
            if self._has_written_too_much():
                raise LostError("it wrote more files than allowed and was stopped")
            if any(select.select(read, write, [], TICK)):
                return

    def _has_written_too_much(self) -> bool:
        sizes = []
        for folder, _, names in os.walk(self._folder):  # shallow, as it cannot make folders
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    sizes.append(os.lstat(os.path.join(folder, name)).st_size)
        return len(sizes) > self.limits.files or sum(sizes) > self.limits.folder

    def _ended(self) -> LostError:
        status = self._process.wait(timeout=10)  # type: ignore[union-attr]
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return LostError(f"it ended its process ({how})")


def require_session() -> None:
    """Run a trial notebook. Raises a NoSandboxError if this machine cannot confine it."""
    require_sandbox()
    with Session(["tried = True"], Limits()) as session:
        if session.answer("tried") is not True:
            raise NoSandboxError("a trial notebook did not run")


class Function:
    """A function that runs in the submission's process.

    Attributes:
        lost: the reason why the process ended during a call, or None.
    """

    def __init__(self, session: Session, name: str):
        self.lost: LostError | None = None
        self._session = session
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        if self.lost is not None:  # `examine` calls again with arrays
            raise self.lost
        try:
            return self._session.call(self._name, arguments)
        except LostError as lost:
            self.lost = lost
            raise
