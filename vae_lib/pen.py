"""The shapes that garments are drawn with, at any size, for many garments at once.

A shape is given by its depth at each point: the distance to its edge, negative outside. The unit of
length is 1/28 of the picture's side: a pixel, if the side is 28.
"""

from typing import Any

import numpy as np

Array = np.ndarray  # float32 [B, size, size], or 1 in place of a dimension that does not matter
Number = Any  # an Array, or one float for all
Point = tuple[Number, Number]
SIDE = 28


class Pen:
    """Coordinates of a picture's pixels, and what is drawn in them.

    `x` runs from the middle to the right, `y` from the upper edge down, `aside` is |x|: clothes are
    symmetric, so one half is drawn. `cover` holds the share of each pixel painted so far.
    """

    def __init__(self, size: int = SIDE):
        middles = ((np.arange(size) + 0.5) * SIDE / size).astype(np.float32)
        self.x: Array = middles[None, None, :] - SIDE / 2
        self.y: Array = middles[None, :, None]
        self.aside: Array = np.abs(self.x)
        self.ribs: Array = 1 - 0.1 * (1 + np.cos(np.pi * (self.x - 0.5)))  # a fine vertical pattern
        self.cover: Number = 0.0
        self._sharpness = size / SIDE

    def inside(self, depth: Array) -> Array:
        """Return the share of each pixel that a shape covers; its edge is one pixel wide."""
        return np.clip(depth * self._sharpness + 0.5, 0, 1)

    def paint(self, canvas: Number, depth: Array, grey: Number, shadow: float = 0.4) -> Array:
        """Lay a shape over the canvas; a narrow shadow separates it from what is below."""
        inside = self.inside(depth)
        self.cover = np.maximum(self.cover, inside)
        below = canvas * (1 - shadow * self.inside(depth + 1))
        return below + (grey - below) * inside

    def darken(self, canvas: Array, depth: Array, strength: float) -> Array:
        """Darken the canvas inside a shape."""
        return canvas * (1 - strength * self.inside(depth))

    def limb(
        self, start: Point, end: Point, radius: Number, end_radius: Number, x: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the depth of a tapering strip, and each pixel's position along it, 0 to 1."""
        x = self.x if x is None else x
        run, fall = end[0] - start[0], end[1] - start[1]
        length = np.sqrt(run * run + fall * fall)
        along = ((x - start[0]) * run + (self.y - start[1]) * fall) / length
        across = ((x - start[0]) * fall - (self.y - start[1]) * run) / length
        share = np.clip(along / length, 0, 1)
        depth = mix(radius, end_radius, share) - np.abs(across)
        return overlap(depth, along, length - along), share

    def ring(self, center: Point, width: Number, height: Number, radius: Number) -> Array:
        """Return the depth of a strap bent to an ellipse with these half axes, to first order."""
        x, y = (self.x - center[0]) / width, (self.y - center[1]) / height
        ratio = np.sqrt(x**2 + y**2)
        return radius - np.abs(ratio - 1) * ratio / np.sqrt((x / width) ** 2 + (y / height) ** 2)

    def torso(self, top: Number, bottom: Array, side: Number, neck: float, dip: Number) -> Array:
        """Return the depth of a body with sloping shoulders; `side` is its half width by row."""
        collar = dip * (1 - (self.aside / neck) ** 3)
        shoulders = np.where(neck > self.aside, collar, 0.32 * (self.aside - neck))
        return overlap(side - self.aside, self.y - top - shoulders, bottom - self.y)

    def sleeve(
        self, shoulder: Array, top: float, wrist: Point, radius: Array
    ) -> tuple[Array, Array]:
        """Return the depth of a sleeve, and each pixel's position along it, 0 to 1."""
        return self.limb((shoulder - 1.6, top + 2.4), wrist, 1.0 + 0.7 * radius, radius, self.aside)

    def cloth(self, brightness: Array, half_width: Number) -> Array:
        """Return plain cloth: darker towards the sides, with a few folds."""
        rounding = 1 - 0.2 * np.minimum(self.aside / half_width, 1.3) ** 2
        folds = np.sin(0.8 * self.x + 0.35 * self.y) * np.sin(0.21 * self.y - 0.5)
        return mix(0.42, 0.95, brightness) * (rounding + 0.1 * folds)


def mix(low: Number, high: Number, share: Number) -> Array:
    """Interpolate linearly: a share of 0 gives `low`, a share of 1 gives `high`."""
    return low + (high - low) * share


def overlap(*depths: Array) -> Array:
    """Return the depth of the intersection of shapes."""
    depth = depths[0]
    for other in depths[1:]:
        depth = np.minimum(depth, other)
    return depth


def curve(at: Number, *points: Point) -> Array:
    """Return a smooth line through (position, value) points, level before and after them."""
    (position, value), *rest = points
    line = value
    for next_position, next_value in rest:
        share = np.clip((at - position) / (next_position - position), 0, 1)
        line = line + (next_value - value) * share * share * (3 - 2 * share)
        position, value = next_position, next_value
    return line


def stripes(pattern: Array, period: Array, at: Array) -> Array:
    """Return soft bands across `at`, to multiply a grey by."""
    wave = np.sin(2 * np.pi / mix(3.2, 7.5, period) * at)
    return 1 - 0.7 * pattern * np.clip(0.5 + 1.2 * wave, 0, 1)
