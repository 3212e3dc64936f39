"""ipywidgets' slider, with what it lacks for this instrument."""

import time
from collections import deque
from typing import Any

import ipywidgets as widgets

from vae_lib.explorer.scale import Scale

ECHO_SECONDS = 10.0  # how long the front end may take to send a superseded value back


class EchoProofSlider(widgets.FloatSlider):
    """A FloatSlider that tells a person's move from its own echo.

    The front end rounds every value it is given to the slider's steps, and sends the rounded value
    back as if a person had moved the slider. That would round z, or, arriving late, undo a change.
    """

    def __init__(self, **options: Any):
        # what the front end may still send back, and since when
        self._placed: deque[tuple[float, float]] = deque(maxlen=64)
        super().__init__(**options)

    def place(self, value: float) -> None:
        """Set the value from Python."""
        self._placed.append((value, time.monotonic()))
        self.value = value

    def rescale(self, before: Scale, after: Scale, value: float) -> None:
        """Set the value together with another scale.

        In three messages: the front end looks at the value before it looks at the scale, and would
        push it between the old ends. So the scale is first widened until it holds both values.
        """
        with self.hold_sync():
            self.min, self.max = min(before.low, after.low), max(before.high, after.high)
            self.step = min(before.step, after.step)
        self.place(value)
        with self.hold_sync():
            self.min, self.max, self.step = after.low, after.high, after.step

    def set_state(self, sync_data: dict) -> None:
        """Take what the front end sends, unless it is an echo."""
        value = sync_data.get("value")
        if value is not None:
            while len(self._placed) > 1 and time.monotonic() - self._placed[0][1] > ECHO_SECONDS:
                self._placed.popleft()
            near = [abs(value - placed) <= 0.51 * self.step for placed, _ in self._placed]
            if any(near):  # and what was placed before it will not come back any more
                while len(self._placed) > len(near) - near.index(True):
                    self._placed.popleft()
                sync_data = {name: sync_data[name] for name in sync_data if name != "value"}
            else:
                self._placed.clear()
        super().set_state(sync_data)
