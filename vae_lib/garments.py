"""Drawn garments of ten classes, for use without Fashion-MNIST, with the factors of each."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from vae_lib._checks import require, require_int
from vae_lib.pen import Array, Pen, curve, mix, overlap, stripes

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
COLORS = {  # red, green and blue in [0, 1], for the factor "color" from 0 to 1
    "red": (0.90, 0.12, 0.16),
    "orange": (1.00, 0.55, 0.10),
    "yellow": (1.00, 0.90, 0.25),
    "green": (0.15, 0.65, 0.25),
    "blue": (0.15, 0.35, 0.90),
    "purple": (0.55, 0.20, 0.75),
    "pink": (1.00, 0.60, 0.80),
    "grey": (0.60, 0.60, 0.60),
}
BACKGROUND = 0.95  # of pictures in colour, as in a shop; grey pictures have a black background
GRAIN = 0.02  # relative standard deviation of noise, the only part that no factor determines
SIZES = (28, 128)  # the smallest and the largest side of a picture, in pixels
BATCH = 256  # garments drawn at once: few enough for the cache


@dataclass(frozen=True, eq=False)
class Garments:
    """Pictures, with the class and the factors that each was drawn from.

    A factor is in [0, 1], or NaN where the class does not have it (see `class_factors`). C is 1 for
    grey pictures and 3 for pictures in colour, which have the factor "color" as well.
    """

    images: UInt8[Tensor, "garment channel size size"]
    labels: Int64[Tensor, " garment"]
    factors: Float[Tensor, "garment factor"]
    factor_names: list[str]


def draw_garments(count: int, seed: int = 0, size: int = 28, color: bool = False) -> Garments:
    """Draw garments, the same ones for the same seed on every run and for every number of threads.

    Args:
        count: N, at least 1. Every ten consecutive garments belong to the ten classes, in random
            order. A smaller count gives the first garments of a larger one.
        seed: the seed of the random numbers, at least 0. The shapes do not depend on `size` and
            `color`.
        size: height and width of the pictures, 28 to 128 pixels.
        color: whether to draw in colour on a light background, instead of in grey on black.

    Returns:
        Images [N, C, size, size], labels [N] and factors [N, F], uniform in [0, 1].

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: a number is outside its range.
    """
    count = require_int("count", count, least=1)
    seed = require_int("seed", seed, least=0)
    size = require_size(size)
    require("color", color, bool, "True or False")
    tens = np.tile(np.arange(10), (-(-count // 10), 1))
    labels = np.random.default_rng([seed, 0]).permuted(tens, axis=1).reshape(-1)[:count]
    factors = np.random.default_rng([seed, 1]).random((count, len(FACTOR_NAMES)), np.float32)
    factors[~_HAS_FACTOR[labels]] = np.nan
    if color:
        colors = np.random.default_rng([seed, 3]).random((count, 1), np.float32)
        factors = np.concatenate([factors, colors], axis=1)
    grain = np.random.default_rng([seed, 2])
    images = []
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        pictures = _draw_all(labels[some], factors[some], size)
        pictures *= 1 + GRAIN * grain.standard_normal(pictures[:, :1].shape, np.float32)
        images.append(_as_images(pictures))
    return Garments(
        torch.cat(images),
        torch.from_numpy(labels),
        torch.from_numpy(factors),
        [*FACTOR_NAMES, "color"] if color else list(FACTOR_NAMES),
    )


def require_size(size: object) -> int:
    """Return the side of a picture as an int; raise an error unless it is 28 to 128 pixels."""
    return require_int("size", size, *SIZES)


def class_factors(label: int) -> list[str]:
    """Return the names of the factors that a class has, in the order of FACTOR_NAMES.

    Raises:
        TypeError: label is not an int.
        ValueError: label is not in 0 to 9.
    """
    require_int("label", label, 0, len(CLASS_NAMES) - 1)
    return [name for name, has in zip(FACTOR_NAMES, _HAS_FACTOR[label], strict=True) if has]


def color_index(color: Float[Tensor, " garment"]) -> Int64[Tensor, " garment"]:
    """Return the index in COLORS for each value of the factor "color"."""
    return (color * len(COLORS)).long().clamp(0, len(COLORS) - 1)


def _draw_all(labels: Array, factors: Array, size: int) -> Array:
    """Return pictures [B, C, size, size] of garments of several classes."""
    channels = 1 if factors.shape[1] == len(FACTOR_NAMES) else 3
    pictures = np.empty((len(labels), channels, size, size), np.float32)
    for label in range(10):
        rows = labels == label
        pictures[rows] = _draw(label, factors[rows], size)
    return pictures


def _draw(label: int, factors: Array, size: int) -> Array:
    """Return pictures [B, C, size, size] for the factors [B, F] of garments of one class."""
    columns = {
        name: factors[:, FACTOR_NAMES.index(name), None, None] for name in class_factors(label)
    }
    pen = Pen(size)
    grey = _CLASSES[CLASS_NAMES[label]](pen, **columns)[:, None]
    if factors.shape[1] == len(FACTOR_NAMES):
        return grey
    dye = np.array(list(COLORS.values()), np.float32)[color_index(torch.from_numpy(factors[:, -1]))]
    return dye[..., None, None] * grey + BACKGROUND * (1 - pen.cover[:, None])


def _as_images(pictures: Array) -> UInt8[Tensor, "batch channel size size"]:
    return torch.from_numpy((255 * np.clip(pictures, 0, 1) + 0.5).astype(np.uint8))


# One function draws each class. Its parameters are the factors of the class, arrays [B, 1, 1].
# Clothes reach from `top`, where collar and shoulder meet, down to `bottom`.


def _t_shirt(
    pen, brightness, width, length, pattern, period, sleeve_length, sleeve_width, neckline
) -> Array:
    top, bottom, shoulder = 2.5, mix(20.0, 27.0, length), mix(5.8, 8.6, width)
    side = curve(pen.y, (top, shoulder), (top + 9, shoulder - 0.7), (bottom, shoulder))
    cloth = pen.cloth(brightness, shoulder + 1) * stripes(pattern, period, pen.y - top)
    reach, radius = mix(5.0, 9.5, sleeve_length), mix(1.7, 3.2, sleeve_width)
    cuff = (shoulder - 1.8 + 0.55 * reach, top + 2.4 + 0.8 * reach)
    sleeve, along = pen.sleeve(shoulder, top, cuff, radius)
    canvas = pen.paint(0.0, sleeve, np.where(along > 0.8, 0.75 * cloth, 0.95 * cloth))
    canvas = pen.paint(canvas, pen.torso(top, bottom, side, 3.2, 0.8), 0.4 * cloth)
    front = pen.torso(top, bottom, side, 3.2, mix(1.8, 5.5, neckline))
    canvas = pen.paint(canvas, front, cloth)
    return pen.darken(canvas, overlap(front, 1.1 - front, 3.4 - pen.aside), 0.25)


def _trouser(pen, brightness, width, length, pattern, period, waist, hem) -> Array:
    top, ankle = 1.5, mix(21.5, 27.0, length)
    crotch, belt = mix(7.0, 13.0, waist), mix(3.6, 5.8, width)
    hip = belt + 0.8
    outer = curve(pen.y, (top, belt), (7, hip), (ankle, hip + mix(-1.2, 2.4, hem)))
    gap = curve(pen.y, (crotch, 0.2), (crotch + 3, 1.1), (ankle, 1.6))
    inner = np.where(crotch > pen.y, -9, gap)
    crease = pen.aside - curve(pen.y, (top, belt / 2), (ankle, outer / 2 + 0.7))
    cloth = pen.cloth(brightness, hip) * (1.08 - 0.025 * crease**2)
    cloth = cloth * stripes(pattern, period, 1.4 * crease)
    legs = overlap(outer - pen.aside, pen.aside - inner, pen.y - top, ankle - pen.y)
    canvas = pen.paint(0.0, legs, cloth)
    canvas = pen.darken(canvas, 0.4 - np.abs(pen.y - top - 2.2), 0.5)
    canvas = pen.darken(canvas, overlap(0.2 - np.abs(pen.x), crotch - pen.y, pen.y - top - 2), 0.6)
    pocket, _ = pen.limb((belt - 1.8, top + 2.5), (hip, top + 5.5), 0.3, 0.3, pen.aside)
    return pen.darken(canvas, pocket, 0.5)


def _pullover(pen, brightness, width, length, pattern, period, sleeve_width, neckline) -> Array:
    top, bottom, shoulder = 2.0, mix(20.0, 27.0, length), mix(5.4, 7.8, width)
    side = curve(pen.y, (top, shoulder), (bottom - 3, shoulder + 0.2), (bottom, shoulder - 0.6))
    plain = pen.cloth(brightness, shoulder + 2)
    knit = 1 - 0.05 * (1 + np.cos(np.pi * (pen.y - 0.5)))
    cloth = plain * knit * stripes(pattern, period, pen.y - top)
    wrist, radius = (shoulder + 2.6, bottom - 0.5), mix(1.4, 2.6, sleeve_width)
    sleeve, along = pen.sleeve(shoulder, top + 0.8, wrist, radius)
    canvas = pen.paint(0.0, sleeve, np.where(along > 0.87, 0.7 * plain, 0.92 * cloth))
    canvas = pen.paint(canvas, pen.torso(top, bottom, side, 3.2, 0.5), 0.35 * plain, 0.6)
    neck = pen.torso(top, bottom, 99, 3.2, mix(1.5, 5.0, neckline))  # deep but near the neck
    knitted = np.where(bottom - 2.6 < pen.y, 0.85 * plain * pen.ribs, cloth)
    canvas = pen.paint(canvas, overlap(neck, side - pen.aside), knitted)
    canvas = pen.darken(canvas, 0.4 - np.abs(pen.y - bottom + 2.8), 0.3)
    collar = overlap(neck, 1.7 - neck, 3.7 - pen.aside, top + 8 - pen.y)
    return pen.paint(canvas, collar, 0.8 * plain * pen.ribs, 0.3)


def _dress(
    pen, brightness, width, length, pattern, period, sleeve_length, neckline, waist, hem
) -> Array:
    top, bottom, bust = 1.5, mix(24.0, 27.4, length), mix(2.7, 4.3, width)
    belt = mix(8.0, 12.5, waist)
    skirt = np.clip((pen.y - belt) / (bottom - belt), 0, 1)
    side = curve(pen.y, (top, bust - 0.2), (5.5, bust), (belt, bust - 0.9))
    side = side + mix(3.2, 7.2, hem) * skirt**0.8
    cloth = pen.cloth(brightness, side + 1) * stripes(pattern, period, pen.y - belt)
    pleats = 1 - 0.35 * skirt * (0.5 + 0.5 * np.cos(8 * pen.aside / side))
    reach = mix(0.5, 7.0, sleeve_length)
    cuff = (bust - 1.2 + 0.6 * reach, top + 2.4 + 0.8 * reach)
    sleeve, _ = pen.limb((bust - 1.4, top + 2.2), cuff, 1.5, 1.6, pen.aside)
    canvas = pen.paint(0.0, sleeve, 0.85 * cloth)
    canvas = pen.paint(canvas, pen.torso(top, bottom, side, 2.3, 0.5), 0.4 * cloth)
    front = pen.torso(top, bottom, side, 2.3, mix(1.0, 6.5, neckline))
    canvas = pen.paint(canvas, front, cloth * pleats)
    return pen.darken(canvas, 0.6 - np.abs(pen.y - belt), 0.5)


def _coat(pen, brightness, width, length, sleeve_width, neckline, hem) -> Array:
    top, bottom, shoulder = 1.8, mix(22.0, 27.5, length), mix(5.2, 7.4, width)
    flare = shoulder + mix(-0.6, 2.2, hem)
    side = curve(pen.y, (top, shoulder), (12, shoulder - 0.7), (bottom, flare))
    cloth = pen.cloth(brightness, shoulder + 2)
    wrist, radius = (shoulder + 2.8, 20.0), mix(1.8, 3.0, sleeve_width)
    sleeve, along = pen.sleeve(shoulder, top, wrist, radius)
    canvas = pen.paint(0.0, sleeve, np.where(along > 0.84, 0.7 * cloth, 0.92 * cloth))
    canvas = pen.paint(canvas, pen.torso(top, bottom, side, 2.6, 0.5), cloth, 0.6)
    button = mix(7.0, 15.0, neckline)
    above = np.clip((button - pen.y) / (button - top), 0, 1)
    below = np.clip((pen.y - button) / (bottom - button), 0, 1)
    opening = 0.6 + 2.2 * above + below
    lapel = overlap(opening + 2.6 * above**0.5 - pen.aside, button - pen.y, pen.y - top)
    canvas = pen.paint(canvas, lapel, 1.1 * cloth, 0.5)
    canvas = pen.darken(canvas, opening - pen.aside, 0.85)
    pocket = overlap(0.5 - np.abs(pen.y - 17.5), 1.6 - np.abs(pen.aside - 0.6 * shoulder - 0.6))
    return pen.darken(canvas, pocket, 0.6)


def _shirt(pen, brightness, width, length, pattern, period, sleeve_width, neckline) -> Array:
    top, bottom, shoulder = 2.6, mix(21.0, 27.3, length), mix(5.4, 7.6, width)
    side = curve(pen.y, (top, shoulder), (14, shoulder - 0.7), (bottom, shoulder + 0.2))
    tails = bottom - 2.0 * (pen.aside / shoulder) ** 4
    plain = pen.cloth(brightness, shoulder + 2)
    checks = stripes(pattern, period, pen.y - top) * stripes(pattern, period, pen.x)
    cloth = plain * checks**0.6
    wrist, radius = (shoulder + 2.4, bottom - 2), mix(1.4, 2.5, sleeve_width)
    sleeve, along = pen.sleeve(shoulder, top, wrist, radius)
    canvas = pen.paint(0.0, sleeve, np.where(along > 0.87, 1.1 * plain, 0.92 * cloth))
    canvas = pen.paint(canvas, pen.torso(top, tails, side, 2.6, 0.8), cloth, 0.6)
    placket = overlap(1.3 - pen.aside, pen.y - top - 2, tails - pen.y)
    canvas = pen.paint(canvas, placket, 1.1 * plain, 0.5)
    buttons = 2.5 * np.cos(np.pi / 2 * (pen.y - top - 5.4)) - 2.0
    canvas = pen.darken(canvas, overlap(0.6 - pen.aside, buttons, pen.y - top - 3), 0.8)
    tip = top - 1 + mix(3.0, 6.5, neckline)
    collar, _ = pen.limb((1.8, top - 1), (2.9, tip), 1.9, 0.4, pen.aside)
    canvas = pen.paint(canvas, collar, 1.15 * plain, 0.6)
    opening = overlap(2.0 - pen.aside - 0.8 * (pen.y - top + 0.6), pen.y - top + 1.4)
    return pen.darken(canvas, opening, 0.75)


# Shoes stand on the `ground`, from `tip` on the left to `back` on the right.


def _sandal(pen, brightness, length, heel, shaft, toe, strap) -> Array:
    ground, tip, back = 21.0, mix(-10.0, -13.2, length), mix(9.5, 12.8, length)
    size, lift = back - tip, mix(0.3, 8.0, heel)
    floor, rear = ground - 1.5, ground - 1.5 - lift  # the sole, under the toes and at the back
    sole = floor - curve(pen.x, (tip + 0.3 * size, 0), (tip + 0.85 * size, lift))
    leather, radius = pen.cloth(brightness, 20), mix(0.55, 1.2, strap)
    post, _ = pen.limb((back - 1.8, rear + 0.5), (back - 2.4, ground), 1.5, 0.9)
    canvas = pen.paint(0.0, post, 0.8 * leather)
    slab = overlap(pen.y - sole, sole + 1.6 - pen.y, pen.x - tip, back - pen.x)
    canvas = pen.paint(canvas, slab, leather)
    front, box, ankle = tip + 0.24 * size, mix(2.5, 5.0, toe), mix(4.5, 8.5, shaft)
    over_toes = overlap(pen.ring((front, floor), 0.17 * size, box, radius), sole - pen.y)
    canvas = pen.paint(canvas, over_toes, leather)
    counter, _ = pen.limb((back - 1.4, rear + 0.5), (back - 1.0, rear - ankle), 1.2, radius)
    canvas = pen.paint(canvas, counter, 0.85 * leather)
    middle, level = back - 0.24 * size, rear - ankle + 1.0
    instep, _ = pen.limb((front + 1, floor - box), (middle - 0.2 * size, level), radius, radius)
    canvas = pen.paint(canvas, instep, 0.85 * leather)
    return pen.paint(canvas, pen.ring((middle, level), 0.21 * size, 1.8, 0.7 * radius), leather)


def _sneaker(pen, brightness, length, pattern, period, heel, shaft, toe) -> Array:
    ground, tip, back = 21.0, mix(-10.0, -13.4, length), mix(9.5, 13.0, length)
    size, sole = back - tip, ground - mix(1.6, 3.8, heel)
    box, tongue = mix(2.2, 5.0, toe), mix(7.0, 10.5, shaft)
    outline = (
        (tip - 0.5, 0.0),
        (tip + 0.16 * size, box),
        (tip + 0.34 * size, box + 0.5),
        (tip + 0.62 * size, tongue),
        (tip + 0.80 * size, tongue - 2.2),
        (back - 0.5, tongue - 0.5),
    )
    leather = pen.cloth(brightness, 20) * (1.05 - 0.02 * (sole - pen.y))
    below_outline = pen.y - sole + curve(pen.x, *outline)
    upper = overlap(below_outline, sole - pen.y, pen.x - tip, back - 0.4 - pen.x)
    canvas = pen.paint(0.0, upper, leather * stripes(pattern, period, pen.x + 0.5 * pen.y))
    for place in (0.36, 0.45, 0.54):
        eyelet = tip + place * size
        level = sole - curve(eyelet, *outline)
        lace, _ = pen.limb((eyelet - 0.6, level), (eyelet + 1.8, level + 2.6), 0.45, 0.45)
        canvas = pen.paint(canvas, lace, np.minimum(1, 1.5 * leather), 0.5)
    tread = ground - 0.9 * np.clip((tip + 4 - pen.x) / 4, 0, 1) ** 2
    bottom = overlap(pen.y - sole, tread - pen.y, pen.x - tip + 0.4, back + 0.2 - pen.x)
    return pen.paint(canvas, bottom, np.minimum(1, leather + 0.15), 0.6)


def _ankle_boot(pen, brightness, width, length, heel, shaft, toe) -> Array:
    ground, tip, back = 25.5, mix(-8.5, -13.2, length), 10.5
    size, lift, top = back - tip, mix(1.0, 5.0, heel), mix(10.0, 3.5, shaft)
    sole = ground - 1.0 - curve(pen.x, (tip + 0.4 * size, 0), (tip + 0.75 * size, lift))
    leather, box = pen.cloth(brightness, 20), mix(2.5, 5.5, toe)
    ankle = back - mix(6.5, 10.5, width)
    rise = np.minimum(11 + lift, ground - 1.5 - top)  # not above the shaft
    instep = ((tip - 0.5, 0.0), (tip + 4, box), (ankle - 3, box + 1), (ankle + 2, rise))
    below_instep = pen.y - ground + 1 + curve(pen.x, *instep)
    foot = overlap(below_instep, sole - pen.y, pen.x - tip, back - pen.x)
    front, rear = ankle + 0.1 * (pen.y - top), back - 0.8 + 0.6 * np.cos(0.3 * (pen.y - 12))
    leg = overlap(pen.x - front, rear - pen.x, pen.y - top, sole - pen.y)
    block = overlap(pen.x - back + 4.2, back - pen.x - 0.2, pen.y - sole, ground - pen.y)
    canvas = pen.paint(0.0, block, 0.6 * leather)
    canvas = pen.paint(canvas, np.maximum(foot, leg), leather)
    gusset = overlap(1.4 - np.abs(pen.x - (ankle + back) / 2), pen.y - top - 1, 17 - pen.y)
    canvas = pen.paint(canvas, gusset, 0.5 * leather * pen.ribs)
    edge = overlap(pen.y - sole + 0.6, sole + 1 - pen.y, pen.x - tip, back - pen.x)
    return pen.paint(canvas, edge, 0.55 * leather)


def _bag(pen, brightness, width, length, pattern, period, hem, strap) -> Array:
    bottom, half = 26.0, mix(7.0, 12.5, width)
    top = bottom - mix(9.0, 14.5, length)
    side = half - mix(3.5, 0.0, hem) * (bottom - pen.y) / (bottom - top)
    corners = side + 6 - pen.aside - 0.7 * np.abs(pen.y - 20)
    body = overlap(side - pen.aside, pen.y - top, bottom - pen.y, corners)
    leather = pen.cloth(brightness, half + 2)
    handle = pen.ring((0.0, top + 0.5), 0.5 * half, mix(4.0, 8.5, strap), 0.9)
    canvas = pen.paint(0.0, overlap(handle, top + 1 - pen.y), 0.85 * leather)
    canvas = pen.paint(canvas, body, leather * stripes(pattern, period, pen.x))
    flap = top + 0.42 * (bottom - top) - 1.5 * (pen.aside / half) ** 2
    canvas = pen.paint(canvas, overlap(body, flap - pen.y), leather, 0.6)
    return pen.paint(canvas, overlap(1.0 - pen.aside, 1.0 - np.abs(pen.y - flap)), 1.0, 0.6)


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
# the factors of a class are the parameters of its function
_HAS_FACTOR = np.array(
    [
        [name in inspect.signature(draw).parameters for name in FACTOR_NAMES]
        for draw in _CLASSES.values()
    ]
)
