"""Garments that we draw ourselves, where Fashion-MNIST cannot be had: ten classes of clothes, no
two pictures alike, each with the factors that it was drawn from."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from vae_lib._checks import require_int

FACTOR_NAMES = [
    "brightness",  # dark to light
    "width",  # of body, legs or bag; of a boot's shaft
    "length",  # collar to hem, toe to heel; the height of a bag
    "pattern",  # strength of the stripes or checks
    "period",  # how far they are apart
    "sleeve_length",
    "sleeve_width",
    "neckline",  # depth of the neck or of the lapels, size of a shirt's collar
    "waist",  # high to low; of a trouser, the crotch
    "hem",  # narrow to flared; of a bag, its upper edge
    "heel",  # its height; of a sneaker, the thickness of the sole
    "shaft",  # how high a shoe goes up the leg
    "toe",  # low to high
    "strap",  # thickness of a sandal's straps, height of a bag's handle
]
GRAIN = 0.02  # standard deviation of the one thing that no factor tells, relative to the grey
BATCH = 256  # garments drawn at once: few enough for the cache

Array = np.ndarray  # float32 [B, 28, 28], with 1 in place of what does not matter
Number = Any  # an Array, or one float for all
Point = tuple[Number, Number]

X: Array = np.arange(28, dtype=np.float32)[None, None, :] - 13.5  # pixels right of the middle
Y: Array = np.arange(28, dtype=np.float32)[None, :, None] + 0.5  # pixels below the upper edge
ASIDE: Array = np.abs(X)  # clothes are symmetric, so one half is drawn
RIBS: Array = 1 - 0.1 * (1 + np.cos(np.pi * (X - 0.5)))  # every other column is darker


@dataclass(frozen=True)
class Garments:
    """Pictures, with the class and the factors that each was drawn from.

    A factor is in [0, 1], or NaN where the class does not have it (see `class_factors`).
    """

    images: UInt8[Tensor, "garment 1 28 28"]
    labels: Int64[Tensor, " garment"]
    factors: Float[Tensor, "garment factor"]


def draw_garments(count: int, seed: int = 0) -> Garments:
    """Draw garments, the same ones for the same seed on every run and for every number of threads.

    count: N, at least 1. Every ten in a row show all ten classes, in random order, and a smaller
      count gives the first of a larger one.
    seed: which wardrobe, at least 0.

    Returns images [N, 1, 28, 28], labels [N] and factors [N, F], uniform in [0, 1].
    Raises a TypeError for what is not an int, a ValueError for one that is too small.
    """
    require_int("count", count, least=1)
    require_int("seed", seed, least=0)
    decks = np.tile(np.arange(10), (-(-count // 10), 1))
    labels = np.random.default_rng([seed, 0]).permuted(decks, axis=1).reshape(-1)[:count]
    factors = np.random.default_rng([seed, 1]).random((count, len(FACTOR_NAMES)), np.float32)
    factors[~_HAS_FACTOR[labels]] = np.nan
    grey = np.empty((count, 28, 28), np.float32)
    for label in range(10):
        rows = np.flatnonzero(labels == label)
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            grey[batch] = _draw(label, factors[batch])
    grain = np.random.default_rng([seed, 2])
    for start in range(0, count, BATCH):
        part = grey[start : start + BATCH]
        part *= 1 + GRAIN * grain.standard_normal(part.shape, np.float32)
    return Garments(_as_images(grey), torch.from_numpy(labels), torch.from_numpy(factors))


def render(label: int, factors: Float[Tensor, "batch factor"]) -> UInt8[Tensor, "batch 1 28 28"]:
    """Draw garments of one class from given factors, without the grain of `draw_garments`.

    factors: [B, F], in [0, 1] where the class has the factor; the others may be NaN.

    Raises a ValueError for another shape or range, or a label that is not in 0 to 9.
    """
    names = class_factors(label)
    if factors.dim() != 2 or factors.shape[1] != len(FACTOR_NAMES):
        raise ValueError(
            f"factors: expected shape [B, {len(FACTOR_NAMES)}], got {list(factors.shape)}"
        )
    given = factors.detach().cpu().float().numpy()
    used = given[:, _HAS_FACTOR[label]]
    if not ((used >= 0) & (used <= 1)).all():  # false for NaN, too
        raise ValueError(f"factors: expected {', '.join(names)} in [0, 1], got some outside it")
    return _as_images(_draw(label, given))


def class_factors(label: int) -> list[str]:
    """Return the names of the factors that a class has, in the order of FACTOR_NAMES.

    Raises a TypeError or a ValueError for a label that is not an int in 0 to 9.
    """
    require_int("label", label, least=0)
    if label >= len(CLASS_NAMES):
        raise ValueError(f"label: expected at most {len(CLASS_NAMES) - 1}, got {label}")
    return [name for name, has in zip(FACTOR_NAMES, _HAS_FACTOR[label], strict=True) if has]


def _draw(label: int, factors: Array) -> Array:
    """Return greys [B, 28, 28] for the factors [B, F] of garments of one class."""
    columns = {
        name: factors[:, FACTOR_NAMES.index(name), None, None] for name in class_factors(label)
    }
    return _CLASSES[CLASS_NAMES[label]](**columns)


def _as_images(grey: Array) -> UInt8[Tensor, "batch 1 28 28"]:
    return torch.from_numpy((255 * np.clip(grey, 0, 1) + 0.5).astype(np.uint8)).unsqueeze(1)


# How to draw. A shape is its depth: how many pixels inside the edge a pixel lies, negative outside.


def _mix(low: Number, high: Number, share: Number) -> Array:
    return low + (high - low) * share


def _inside(depth: Array) -> Array:
    """Return the share of each pixel that a shape covers: its edge is one pixel soft."""
    return np.clip(depth + 0.5, 0, 1)


def _all(*depths: Array) -> Array:
    """Return the depth of the intersection."""
    depth = depths[0]
    for other in depths[1:]:
        depth = np.minimum(depth, other)
    return depth


def _curve(at: Number, *points: Point) -> Array:
    """Return a smooth line through (position, value) points, level before and after them."""
    (position, value), *rest = points
    line = value
    for next_position, next_value in rest:
        share = np.clip((at - position) / (next_position - position), 0, 1)
        line = line + (next_value - value) * share * share * (3 - 2 * share)
        position, value = next_position, next_value
    return line


def _limb(
    start: Point, end: Point, radius: Number, end_radius: Number, x: Array = X
) -> tuple[Array, Array]:
    """Return the depth of a straight, tapering strip, and how far along it a pixel is, 0 to 1."""
    run, fall = end[0] - start[0], end[1] - start[1]
    length = np.sqrt(run * run + fall * fall)
    along = ((x - start[0]) * run + (Y - start[1]) * fall) / length
    across = ((x - start[0]) * fall - (Y - start[1]) * run) / length
    share = np.clip(along / length, 0, 1)
    depth = _mix(radius, end_radius, share) - np.abs(across)
    return _all(depth, along, length - along), share


def _ring(center: Point, width: Number, height: Number, radius: Number) -> Array:
    """Return the depth of a strap bent to an ellipse with these half axes, to first order."""
    x, y = (X - center[0]) / width, (Y - center[1]) / height
    ratio = np.sqrt(x**2 + y**2)
    return radius - np.abs(ratio - 1) * ratio / np.sqrt((x / width) ** 2 + (y / height) ** 2)


def _paint(canvas: Number, depth: Array, grey: Number, shadow: float = 0.4) -> Array:
    """Lay a shape over the canvas; its shadow, a pixel wide, sets it off from what is below."""
    below = canvas * (1 - shadow * _inside(depth + 1))
    return below + (grey - below) * _inside(depth)


def _darken(canvas: Array, depth: Array, strength: float) -> Array:
    return canvas * (1 - strength * _inside(depth))


def _cloth(brightness: Array, half_width: Number) -> Array:
    """Return plain cloth: darker towards the sides, with a few folds."""
    rounding = 1 - 0.2 * np.minimum(ASIDE / half_width, 1.3) ** 2
    folds = np.sin(0.8 * X + 0.35 * Y) * np.sin(0.21 * Y - 0.5)
    return _mix(0.42, 0.95, brightness) * (rounding + 0.1 * folds)


def _stripes(pattern: Array, period: Array, at: Array) -> Array:
    """Return soft bands across `at`, to multiply a grey by."""
    wave = np.sin(2 * np.pi / _mix(3.2, 7.5, period) * at)
    return 1 - 0.7 * pattern * np.clip(0.5 + 1.2 * wave, 0, 1)


# The classes: each function asks for the factors that its class has, as arrays [B, 1, 1].
# Clothes reach from `top`, where collar and shoulder meet, down to `bottom`.


def _torso(top: Number, bottom: Array, side: Number, neck: float, dip: Number) -> Array:
    """Return the depth of a body with sloping shoulders; `side` is its half width by row."""
    collar = dip * (1 - (ASIDE / neck) ** 3)
    shoulders = np.where(neck > ASIDE, collar, 0.32 * (ASIDE - neck))
    return _all(side - ASIDE, Y - top - shoulders, bottom - Y)


def _sleeve(shoulder: Array, top: float, wrist: Point, radius: Array) -> tuple[Array, Array]:
    return _limb((shoulder - 1.6, top + 2.4), wrist, 1.0 + 0.7 * radius, radius, ASIDE)


def _t_shirt(
    brightness, width, length, pattern, period, sleeve_length, sleeve_width, neckline
) -> Array:
    top, bottom, shoulder = 2.5, _mix(20.0, 27.0, length), _mix(5.8, 8.6, width)
    side = _curve(Y, (top, shoulder), (top + 9, shoulder - 0.7), (bottom, shoulder))
    cloth = _cloth(brightness, shoulder + 1) * _stripes(pattern, period, Y - top)
    reach, radius = _mix(5.0, 9.5, sleeve_length), _mix(1.7, 3.2, sleeve_width)
    cuff = (shoulder - 1.8 + 0.55 * reach, top + 2.4 + 0.8 * reach)
    sleeve, along = _sleeve(shoulder, top, cuff, radius)
    canvas = _paint(0.0, sleeve, np.where(along > 0.8, 0.75 * cloth, 0.95 * cloth))
    canvas = _paint(canvas, _torso(top, bottom, side, 3.2, 0.8), 0.4 * cloth)
    front = _torso(top, bottom, side, 3.2, _mix(1.8, 5.5, neckline))
    canvas = _paint(canvas, front, cloth)
    return _darken(canvas, _all(front, 1.1 - front, 3.4 - ASIDE), 0.25)


def _trouser(brightness, width, length, pattern, period, waist, hem) -> Array:
    top, ankle = 1.5, _mix(21.5, 27.0, length)
    crotch, belt = _mix(7.0, 13.0, waist), _mix(3.6, 5.8, width)
    hip = belt + 0.8
    outer = _curve(Y, (top, belt), (7, hip), (ankle, hip + _mix(-1.2, 2.4, hem)))
    inner = np.where(crotch > Y, -9, _curve(Y, (crotch, 0.2), (crotch + 3, 1.1), (ankle, 1.6)))
    crease = ASIDE - _curve(Y, (top, belt / 2), (ankle, outer / 2 + 0.7))
    cloth = _cloth(brightness, hip) * (1.08 - 0.025 * crease**2)
    cloth = cloth * _stripes(pattern, period, 1.4 * crease)
    canvas = _paint(0.0, _all(outer - ASIDE, ASIDE - inner, Y - top, ankle - Y), cloth)
    canvas = _darken(canvas, 0.4 - np.abs(Y - top - 2.2), 0.5)
    canvas = _darken(canvas, _all(0.2 - np.abs(X), crotch - Y, Y - top - 2), 0.6)
    pocket, _ = _limb((belt - 1.8, top + 2.5), (hip, top + 5.5), 0.3, 0.3, ASIDE)
    return _darken(canvas, pocket, 0.5)


def _pullover(brightness, width, length, pattern, period, sleeve_width, neckline) -> Array:
    top, bottom, shoulder = 2.0, _mix(20.0, 27.0, length), _mix(5.4, 7.8, width)
    side = _curve(Y, (top, shoulder), (bottom - 3, shoulder + 0.2), (bottom, shoulder - 0.6))
    plain = _cloth(brightness, shoulder + 2)
    knit = 1 - 0.05 * (1 + np.cos(np.pi * (Y - 0.5)))
    cloth = plain * knit * _stripes(pattern, period, Y - top)
    wrist, radius = (shoulder + 2.6, bottom - 0.5), _mix(1.4, 2.6, sleeve_width)
    sleeve, along = _sleeve(shoulder, top + 0.8, wrist, radius)
    canvas = _paint(0.0, sleeve, np.where(along > 0.87, 0.7 * plain, 0.92 * cloth))
    canvas = _paint(canvas, _torso(top, bottom, side, 3.2, 0.5), 0.35 * plain, 0.6)
    neck = _torso(top, bottom, 99, 3.2, _mix(1.5, 5.0, neckline))  # deep but near the neck
    knitted = np.where(bottom - 2.6 < Y, 0.85 * plain * RIBS, cloth)
    canvas = _paint(canvas, _all(neck, side - ASIDE), knitted)
    canvas = _darken(canvas, 0.4 - np.abs(Y - bottom + 2.8), 0.3)
    collar = _all(neck, 1.7 - neck, 3.7 - ASIDE, top + 8 - Y)
    return _paint(canvas, collar, 0.8 * plain * RIBS, 0.3)


def _dress(
    brightness, width, length, pattern, period, sleeve_length, neckline, waist, hem
) -> Array:
    top, bottom, bust = 1.5, _mix(24.0, 27.4, length), _mix(2.7, 4.3, width)
    belt = _mix(8.0, 12.5, waist)
    skirt = np.clip((Y - belt) / (bottom - belt), 0, 1)
    side = _curve(Y, (top, bust - 0.2), (5.5, bust), (belt, bust - 0.9))
    side = side + _mix(3.2, 7.2, hem) * skirt**0.8
    cloth = _cloth(brightness, side + 1) * _stripes(pattern, period, Y - belt)
    pleats = 1 - 0.35 * skirt * (0.5 + 0.5 * np.cos(8 * ASIDE / side))
    reach = _mix(0.5, 7.0, sleeve_length)
    cuff = (bust - 1.2 + 0.6 * reach, top + 2.4 + 0.8 * reach)
    sleeve, _ = _limb((bust - 1.4, top + 2.2), cuff, 1.5, 1.6, ASIDE)
    canvas = _paint(0.0, sleeve, 0.85 * cloth)
    canvas = _paint(canvas, _torso(top, bottom, side, 2.3, 0.5), 0.4 * cloth)
    front = _torso(top, bottom, side, 2.3, _mix(1.0, 6.5, neckline))
    canvas = _paint(canvas, front, cloth * pleats)
    return _darken(canvas, 0.6 - np.abs(Y - belt), 0.5)


def _coat(brightness, width, length, sleeve_width, neckline, hem) -> Array:
    top, bottom, shoulder = 1.8, _mix(22.0, 27.5, length), _mix(5.2, 7.4, width)
    flare = shoulder + _mix(-0.6, 2.2, hem)
    side = _curve(Y, (top, shoulder), (12, shoulder - 0.7), (bottom, flare))
    cloth = _cloth(brightness, shoulder + 2)
    wrist, radius = (shoulder + 2.8, 20.0), _mix(1.8, 3.0, sleeve_width)
    sleeve, along = _sleeve(shoulder, top, wrist, radius)
    canvas = _paint(0.0, sleeve, np.where(along > 0.84, 0.7 * cloth, 0.92 * cloth))
    canvas = _paint(canvas, _torso(top, bottom, side, 2.6, 0.5), cloth, 0.6)
    button = _mix(7.0, 15.0, neckline)
    above = np.clip((button - Y) / (button - top), 0, 1)
    below = np.clip((Y - button) / (bottom - button), 0, 1)
    opening = 0.6 + 2.2 * above + below
    lapel = _all(opening + 2.6 * above**0.5 - ASIDE, button - Y, Y - top)
    canvas = _paint(canvas, lapel, 1.1 * cloth, 0.5)
    canvas = _darken(canvas, opening - ASIDE, 0.85)
    pocket = _all(0.5 - np.abs(Y - 17.5), 1.6 - np.abs(ASIDE - 0.6 * shoulder - 0.6))
    return _darken(canvas, pocket, 0.6)


def _shirt(brightness, width, length, pattern, period, sleeve_width, neckline) -> Array:
    top, bottom, shoulder = 2.6, _mix(21.0, 27.3, length), _mix(5.4, 7.6, width)
    side = _curve(Y, (top, shoulder), (14, shoulder - 0.7), (bottom, shoulder + 0.2))
    tails = bottom - 2.0 * (ASIDE / shoulder) ** 4
    plain = _cloth(brightness, shoulder + 2)
    checks = _stripes(pattern, period, Y - top) * _stripes(pattern, period, X)
    cloth = plain * checks**0.6
    wrist, radius = (shoulder + 2.4, bottom - 2), _mix(1.4, 2.5, sleeve_width)
    sleeve, along = _sleeve(shoulder, top, wrist, radius)
    canvas = _paint(0.0, sleeve, np.where(along > 0.87, 1.1 * plain, 0.92 * cloth))
    canvas = _paint(canvas, _torso(top, tails, side, 2.6, 0.8), cloth, 0.6)
    canvas = _paint(canvas, _all(1.3 - ASIDE, Y - top - 2, tails - Y), 1.1 * plain, 0.5)
    buttons = 2.5 * np.cos(np.pi / 2 * (Y - top - 5.4)) - 2.0
    canvas = _darken(canvas, _all(0.6 - ASIDE, buttons, Y - top - 3), 0.8)
    tip = top - 1 + _mix(3.0, 6.5, neckline)
    collar, _ = _limb((1.8, top - 1), (2.9, tip), 1.9, 0.4, ASIDE)
    canvas = _paint(canvas, collar, 1.15 * plain, 0.6)
    return _darken(canvas, _all(2.0 - ASIDE - 0.8 * (Y - top + 0.6), Y - top + 1.4), 0.75)


# Shoes stand on the `ground`, from `tip` on the left to `back` on the right.


def _sandal(brightness, length, heel, shaft, toe, strap) -> Array:
    ground, tip, back = 21.0, _mix(-10.0, -13.2, length), _mix(9.5, 12.8, length)
    size, lift = back - tip, _mix(0.3, 8.0, heel)
    floor, rear = ground - 1.5, ground - 1.5 - lift  # the sole, under the toes and at the back
    sole = floor - _curve(X, (tip + 0.3 * size, 0), (tip + 0.85 * size, lift))
    leather, radius = _cloth(brightness, 20), _mix(0.55, 1.2, strap)
    post, _ = _limb((back - 1.8, rear + 0.5), (back - 2.4, ground), 1.5, 0.9)
    canvas = _paint(0.0, post, 0.8 * leather)
    canvas = _paint(canvas, _all(Y - sole, sole + 1.6 - Y, X - tip, back - X), leather)
    front, box, ankle = tip + 0.24 * size, _mix(2.5, 5.0, toe), _mix(4.5, 8.5, shaft)
    over_toes = _all(_ring((front, floor), 0.17 * size, box, radius), sole - Y)
    canvas = _paint(canvas, over_toes, leather)
    counter, _ = _limb((back - 1.4, rear + 0.5), (back - 1.0, rear - ankle), 1.2, radius)
    canvas = _paint(canvas, counter, 0.85 * leather)
    middle, level = back - 0.24 * size, rear - ankle + 1.0
    instep, _ = _limb((front + 1, floor - box), (middle - 0.2 * size, level), radius, radius)
    canvas = _paint(canvas, instep, 0.85 * leather)
    return _paint(canvas, _ring((middle, level), 0.21 * size, 1.8, 0.7 * radius), leather)


def _sneaker(brightness, length, pattern, period, heel, shaft, toe) -> Array:
    ground, tip, back = 21.0, _mix(-10.0, -13.4, length), _mix(9.5, 13.0, length)
    size, sole = back - tip, ground - _mix(1.6, 3.8, heel)
    box, tongue = _mix(2.2, 5.0, toe), _mix(7.0, 10.5, shaft)
    outline = (
        (tip - 0.5, 0.0),
        (tip + 0.16 * size, box),
        (tip + 0.34 * size, box + 0.5),
        (tip + 0.62 * size, tongue),
        (tip + 0.80 * size, tongue - 2.2),
        (back - 0.5, tongue - 0.5),
    )
    leather = _cloth(brightness, 20) * (1.05 - 0.02 * (sole - Y))
    upper = _all(Y - sole + _curve(X, *outline), sole - Y, X - tip, back - 0.4 - X)
    canvas = _paint(0.0, upper, leather * _stripes(pattern, period, X + 0.5 * Y))
    for place in (0.36, 0.45, 0.54):
        eyelet = tip + place * size
        level = sole - _curve(eyelet, *outline)
        lace, _ = _limb((eyelet - 0.6, level), (eyelet + 1.8, level + 2.6), 0.45, 0.45)
        canvas = _paint(canvas, lace, np.minimum(1, 1.5 * leather), 0.5)
    tread = ground - 0.9 * np.clip((tip + 4 - X) / 4, 0, 1) ** 2
    bottom = _all(Y - sole, tread - Y, X - tip + 0.4, back + 0.2 - X)
    return _paint(canvas, bottom, np.minimum(1, leather + 0.15), 0.6)


def _ankle_boot(brightness, width, length, heel, shaft, toe) -> Array:
    ground, tip, back = 25.5, _mix(-8.5, -13.2, length), 10.5
    size, lift, top = back - tip, _mix(1.0, 5.0, heel), _mix(10.0, 3.5, shaft)
    sole = ground - 1.0 - _curve(X, (tip + 0.4 * size, 0), (tip + 0.75 * size, lift))
    leather, box, ankle = _cloth(brightness, 20), _mix(2.5, 5.5, toe), back - _mix(6.5, 10.5, width)
    rise = np.minimum(11 + lift, ground - 1.5 - top)  # not above the shaft
    instep = ((tip - 0.5, 0.0), (tip + 4, box), (ankle - 3, box + 1), (ankle + 2, rise))
    foot = _all(Y - ground + 1 + _curve(X, *instep), sole - Y, X - tip, back - X)
    front, rear = ankle + 0.1 * (Y - top), back - 0.8 + 0.6 * np.cos(0.3 * (Y - 12))
    leg = _all(X - front, rear - X, Y - top, sole - Y)
    block = _all(X - back + 4.2, back - X - 0.2, Y - sole, ground - Y)
    canvas = _paint(0.0, block, 0.6 * leather)
    canvas = _paint(canvas, np.maximum(foot, leg), leather)
    gusset = _all(1.4 - np.abs(X - (ankle + back) / 2), Y - top - 1, 17 - Y)
    canvas = _paint(canvas, gusset, 0.5 * leather * RIBS)
    edge = _all(Y - sole + 0.6, sole + 1 - Y, X - tip, back - X)
    return _paint(canvas, edge, 0.55 * leather)


def _bag(brightness, width, length, pattern, period, hem, strap) -> Array:
    bottom, half = 26.0, _mix(7.0, 12.5, width)
    top = bottom - _mix(9.0, 14.5, length)
    side = half - _mix(3.5, 0.0, hem) * (bottom - Y) / (bottom - top)
    corners = side + 6 - ASIDE - 0.7 * np.abs(Y - 20)
    body = _all(side - ASIDE, Y - top, bottom - Y, corners)
    leather = _cloth(brightness, half + 2)
    handle = _ring((0.0, top + 0.5), 0.5 * half, _mix(4.0, 8.5, strap), 0.9)
    canvas = _paint(0.0, _all(handle, top + 1 - Y), 0.85 * leather)
    canvas = _paint(canvas, body, leather * _stripes(pattern, period, X))
    flap = top + 0.42 * (bottom - top) - 1.5 * (ASIDE / half) ** 2
    canvas = _paint(canvas, _all(body, flap - Y), leather, 0.6)
    return _paint(canvas, _all(1.0 - ASIDE, 1.0 - np.abs(Y - flap)), 1.0, 0.6)


_CLASSES: dict[str, Callable[..., Array]] = {
    "T-shirt/top": _t_shirt,
    "Trouser": _trouser,
    "Pullover": _pullover,
    "Dress": _dress,
    "Coat": _coat,
    "Sandal": _sandal,
    "Shirt": _shirt,
    "Sneaker": _sneaker,
    "Bag": _bag,
    "Ankle boot": _ankle_boot,
}
CLASS_NAMES = list(_CLASSES)  # in the order of Fashion-MNIST
# a class has the factors that its function asks for
_HAS_FACTOR = np.array(
    [
        [name in inspect.signature(draw).parameters for name in FACTOR_NAMES]
        for draw in _CLASSES.values()
    ]
)
