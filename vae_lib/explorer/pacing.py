"""One redraw for each change or, if redraws are slow, one for all waiting changes."""

import asyncio
import time
from collections.abc import Callable

SLOW = 0.1  # seconds; a person notices redraws that take longer
PAUSE = 0.05  # seconds in which the messages that waited for a slow redraw are read


class Pacer:
    """Calls `redraw` when the picture is out of date.

    A front end sends the next position of a slider after the kernel has processed the last one.
    Therefore we redraw at once, while processing the message, and never send more than the front
    end can show. But ten sliders, or a key held down on a button, send without waiting. Their
    messages queue up in the kernel while a slow model computes, and only the newest needs a
    picture. So a change directly after a slow redraw waits a moment for others in the queue.
    """

    def __init__(self, redraw: Callable[[], None]):
        self._redraw = redraw
        self._due: asyncio.TimerHandle | None = None
        self._ended = self._seconds = 0.0  # of the last redraw

    def change(self) -> None:
        """Redraw now, or soon and together with other changes."""
        if self._due is not None:
            return  # the redraw that is due shows this change too
        loop = _running_loop()
        behind = self._seconds > SLOW and time.monotonic() - self._ended < PAUSE
        if loop is not None and behind:
            self._due = loop.call_later(PAUSE, self.finish)
        else:
            self._now()

    def finish(self) -> None:
        """Redraw now if a change is waiting."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
            self._now()

    def _now(self) -> None:
        started = time.monotonic()
        try:
            self._redraw()
        finally:
            self._ended = time.monotonic()
            self._seconds = self._ended - started


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None  # no kernel: a test, a script
