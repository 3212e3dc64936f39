"""A time limit for a learner's code."""

import ctypes
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType
from typing import Any

TRIES = 4  # attempts to stop the code, since an `except:` in it may swallow the first one
PAUSE = 0.5  # seconds between two attempts


class TimeUp(BaseException):
    """Raised when the time is up, in the code that ran too long and then by `run_limited`.

    It is not an Exception, so that `except Exception` in the code does not catch it.

    Attributes:
        steps: the code object and line of each call in progress, the innermost last.
        stopped: whether the code has been stopped.
    """

    steps: tuple[tuple[CodeType, int], ...] = ()
    stopped = True


def run_limited(work: Callable[[], Any], seconds: float) -> Any:
    """Run a function in a thread and return its result.

    Python code is stopped between two steps, so a long call to a library ends first.

    Args:
        work: the function.
        seconds: the time limit.

    Returns:
        What `work` returns.

    Raises:
        TimeUp: if `work` takes longer. An error that `work` raises is raised again here.
    """
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    late = None
    try:
        thread.join(seconds)
    finally:  # also if the user presses Interrupt
        if thread.is_alive():
            late = TimeUp()
            late.steps = _steps_of(thread)
            late.stopped = _stop(thread)
    if late is not None:
        raise late
    if errors:
        raise errors[0]
    return results[0]


def _stop(thread: threading.Thread) -> bool:
    """Raise TimeUp in a thread until it ends, and return whether it has ended."""
    for _ in range(TRIES):
        identity = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(TimeUp))
        thread.join(PAUSE)
        if not thread.is_alive():
            return True
    return False


def _steps_of(thread: threading.Thread) -> tuple[tuple[CodeType, int], ...]:
    """Return the code object and line of each call in progress, the innermost last."""
    frame = sys._current_frames().get(thread.ident or 0)
    steps = [] if frame is None else list(traceback.walk_stack(frame))
    return tuple((step.f_code, line) for step, line in reversed(steps))
