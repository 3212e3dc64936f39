"""A slider that does not confuse its own messages with those of a person."""

import time
from collections import deque
from typing import Any

import ipywidgets as widgets

from vae_lib.explorer.scale import Scale

ECHO_SECONDS = 10.0  # how long the front end may take to send a superseded value back


class EchoProofSlider(widgets.FloatSlider):
    """A FloatSlider that distinguishes a person's moves from echoes of its own values.

    The front end rounds every value that it receives to the slider's steps, and sends the rounded
    value back as if a person had moved the slider. Such an echo would round z, or undo a later
    change.
    """

    def __init__(self, **options: Any):
        # values that the front end may still send back, with the times when they were set
        self._placed: deque[tuple[float, float]] = deque(maxlen=64)
        super().__init__(**options)

    def place(self, value: float) -> None:
        """Set the value from Python."""
        self._placed.append((value, time.monotonic()))
        self.value = value

    def rescale(self, before: Scale, after: Scale, value: float) -> None:
        """Set the value together with another scale.

        This takes three messages, because the front end reads the value before the scale and would
        clamp it to the old ends. The scale is first widened until it contains both values.
        """
        with self.hold_sync():
            self.min, self.max = min(before.low, after.low), max(before.high, after.high)
            self.step = min(before.step, after.step)
        self.place(value)
        with self.hold_sync():
            self.min, self.max, self.step = after.low, after.high, after.step

    def set_state(self, sync_data: dict) -> None:
        """Accept a message of the front end, unless it is an echo."""
        value = sync_data.get("value")
        if value is not None:
            while len(self._placed) > 1 and time.monotonic() - self._placed[0][1] > ECHO_SECONDS:
                self._placed.popleft()
            near = [abs(value - placed) <= 0.51 * self.step for placed, _ in self._placed]
            if any(near):  # no value that was set before this one will come back any more
                while len(self._placed) > len(near) - near.index(True):
                    self._placed.popleft()
                sync_data = {name: sync_data[name] for name in sync_data if name != "value"}
            else:
                self._placed.clear()
        super().set_state(sync_data)
