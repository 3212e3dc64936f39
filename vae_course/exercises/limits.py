"""Stop code that does not come back: with a timer signal, or with a watching thread."""

import ctypes
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

AGAIN = 0.1  # seconds between attempts, since an `except:` may swallow the first one


class TimeUp(BaseException):
    """The time is up. `steps` says where the code was, if it ran in a thread of its own.

    Not an Exception, so that an `except Exception` in the code does not swallow it.
    """

    def __init__(self, steps: list[tuple[CodeType, int]] | None = None):
        super().__init__("the time is up")
        self.steps = steps


def run_limited(work: Callable[[], Any], seconds: float) -> Any:
    """Return `work()`, or raise a TimeUp once it has run for that long.

    Python code is stopped between two of its steps, a single long call to a library only after it.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return with_timer(work, seconds)
    return with_watchdog(work, seconds)


def _at_work(work: Callable[[], Any]) -> Any:
    return work()


def with_timer(work: Callable[[], Any], seconds: float) -> Any:
    """Limit `work` by a timer of the operating system; in the main thread, not on Windows."""

    rung = 0

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal rung
        steps = []
        while frame is not None and frame.f_code is not _at_work.__code__:
            steps.append(frame)
            frame = frame.f_back
        if frame is None:
            return  # pragma: no cover - in the lines that clean up after `work`: a matter of luck
        rung += 1
        if rung > 1:  # the first one was swallowed: raise on the lines of the `except`, too
            for step in steps:
                step.f_trace = _raise_at_a_line
            sys.settrace(_no_trace)
        raise TimeUp

    trace = sys.gettrace()
    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        return _at_work(work)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if rung > 1:
            sys.settrace(trace)  # pragma: no cover - runs, while coverage's own tracer is off


def _raise_at_a_line(frame: FrameType, event: str, argument: Any) -> Any:
    if event == "line":  # pragma: no cover - is a tracer itself, so coverage cannot see it
        raise TimeUp
    return _raise_at_a_line  # pragma: no cover - likewise


def _no_trace(frame: FrameType, event: str, argument: Any) -> None:
    """Trace no further function; Python traces the marked frames only while there is a tracer."""


def with_watchdog(work: Callable[[], Any], seconds: float) -> Any:
    """Limit `work` by running it in a thread that is told to stop when the time is up."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    finally:
        late = TimeUp(_steps_of(thread)) if thread.is_alive() else None
        for _ in range(10):
            if not thread.is_alive():
                break
            identity = ctypes.c_ulong(thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(TimeUp))
            thread.join(AGAIN)
    if late is not None:
        raise late
    if errors:
        raise errors[0]
    return results[0]


def _steps_of(thread: threading.Thread) -> list[tuple[CodeType, int]]:
    """Return code and line of every call that a thread is in, the innermost last."""
    frame = sys._current_frames().get(thread.ident or 0)
    steps = [] if frame is None else list(traceback.walk_stack(frame))
    return [(step.f_code, line) for step, line in reversed(steps)]
