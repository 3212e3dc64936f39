"""The explorer's output as HTML: whether z is near or far, and the rows of nearest garments."""

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from vae_lib.data import Images
from vae_lib.explorer.scale import Scale
from vae_lib.explorer.state import Answer, score_parts
from vae_lib.explorer.thumbnails import Thumbnails
from vae_lib.figures import RULE_COLORS, RULE_NAMES
from vae_lib.retrieval import Neighbors, PosteriorIndex
from vae_lib.rules import RULES

ROW_NAMES = {
    **RULE_NAMES,
    "round trip": "log likelihood after a round trip",
}


def rule_color(rule: str) -> str:
    """Return a rule's colour in CSS; the colour that is black in figures is white on dark pages."""
    color = RULE_COLORS[rule]
    return "var(--jp-ui-font-color0)" if color == "#000000" else color


def number(value: float, digits: int = 2) -> str:
    """Return a number as text, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def percent(probability: float) -> str:
    """Return a probability in per cent; a small one is never shown as 0."""
    return "< 0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


@dataclass(frozen=True)
class Caption:
    """The text under a garment: its class, and its score by the rule of its row."""

    garment: int
    class_name: str
    unit: str  # of the rule: "log q" or "distance"
    score: str
    probability: str  # "p 98.0 %", or nothing

    @property
    def text(self) -> str:
        """The caption in a line of its own."""
        parts = (self.class_name, f"{self.unit} {self.score}", self.probability)
        return ", ".join(part for part in parts if part)


def captions(neighbors: Neighbors, images: Images) -> list[Caption]:
    """Return a caption for each garment of a row."""
    unit, probabilities = RULES[neighbors.rule].unit, [""] * len(neighbors)
    if neighbors.probabilities is not None:
        probabilities = [f"p {percent(p)}" for p in neighbors.probabilities.tolist()]
    found = zip(neighbors.indices.tolist(), neighbors.scores.tolist(), probabilities, strict=True)
    row = []
    for garment, score, probability in found:
        # a large number has one digit less, because ten captions have to fit side by side
        digits = 1 + (score < 10) if unit == "distance" else int(score > -1000)
        name = images.class_names[images.train_labels[garment]]
        row.append(Caption(garment, name, unit, number(score, digits), probability))
    return row


def title(rule: str, answer: Answer) -> str:
    """Return the title of a row."""
    text = f"Nearest by {ROW_NAMES[rule]}"
    if rule == "gate":
        where = "at z, which is near" if answer.familiar else "after a round trip, since z is far"
        text += f": log likelihood {where}"
    return text


def overlap(answer: Answer) -> str:
    """Return a sentence that counts the garments common to all rows, at least two rows."""
    shown = len(next(iter(answer.neighbors.values())).indices)
    rows = len(answer.neighbors)
    return f"{len(answer.shared)} of {shown} in common{f' to all {rows} rows' if rows > 2 else ''}."


def nearness(answer: Answer) -> str:
    """Return a sentence that says whether a garment is near z, which depends only on the index."""
    start = "A" if answer.familiar else "No"
    return f"{start} garment of this wardrobe lies near."


def familiarity(answer: Answer) -> str:
    """Return a sentence with the numbers on which `nearness` is based."""
    sign = "<" if answer.familiar else "≥"
    return (
        f"Smallest Mahalanobis² {number(answer.mahalanobis2, 1)} {sign} "
        f"{number(answer.familiar_below, 1)}, the 99.9 % quantile of χ²."
    )


def winners(answer: Answer, images: Images) -> str:
    """Return a sentence with the first garment of each row and its score."""
    firsts = [
        f"{ROW_NAMES[rule]}: {first.text}"
        for rule, neighbors in answer.neighbors.items()
        for first in captions(neighbors, images)[:1]
    ]
    return "Nearest by " + "; by ".join(firsts)


def status_html(answer: Answer) -> str:
    """Return the badge beside the picture: whether z is near or far, and the numbers for it."""
    kind = "near" if answer.familiar else "far"
    return (
        f'<div class="vae-status-badge vae-{kind}">{nearness(answer)}</div>'
        f'<div class="vae-numbers">{html.escape(familiarity(answer))}</div>'
    )


def rows_html(
    answer: Answer, index: PosteriorIndex, images: Images, pictures: Thumbnails, scale: Scale
) -> str:
    """Return all rows, and links between garments that are in each of them.

    A garment in every row has a frame, and its number is its place in the first row. Each garment
    has attributes with its posterior, which explorer.js draws on the sliders under the mouse.
    """
    shared, parts = answer.shared, []
    for rule, neighbors in answer.neighbors.items():
        marks = marks_of(answer, index, rule, scale)
        items = [
            _item(caption, shared.get(caption.garment), pictures, mark)
            for caption, mark in zip(captions(neighbors, images), marks, strict=True)
        ]
        text = html.escape(title(rule, answer))
        far = "" if answer.familiar else " vae-is-far"
        parts.append(
            f'<div class="vae-title" style="--rule: {rule_color(rule)}"><b>{text}</b></div>'
            f'<ol class="vae-row{far}" style="--rule: {rule_color(rule)}" aria-label="{text}" '
            f'data-rule="{rule}">{"".join(items)}</ol>'
        )
    return "".join(parts)


def marks_of(answer: Answer, index: PosteriorIndex, rule: str, scale: Scale) -> Iterable[str]:
    """Yield the posterior of each garment of a row as JSON.

    It gives for each dimension the places of μ − σ, μ and μ + σ on the slider in per cent, and the
    part of the score that comes from this dimension.
    """
    garments = answer.neighbors[rule].indices
    q = index.posteriors
    mean, std = q.mean[garments].cpu().double(), q.std[garments].cpu().double()
    ends = torch.stack([mean - std, mean, mean + std], dim=-1)  # [garment, d, 3]
    places = (100 * scale.shares(ends)).round(decimals=1)
    parts = score_parts(index, answer.searched[rule], answer.neighbors[rule], rule)
    for row, part in zip(places.tolist(), parts.tolist(), strict=True):
        yield json.dumps(
            [[*place, number(value)] for place, value in zip(row, part, strict=True)],
            ensure_ascii=False,
            separators=(",", ":"),
        )


def _item(caption: Caption, shared: int | None, pictures: Thumbnails, marks: str) -> str:
    name, class_name = pictures.name(caption.garment), html.escape(caption.class_name)
    badge = f'<span class="vae-badge" aria-hidden="true">{shared}</span>' if shared else ""
    alt = html.escape(name + (f", shared, {shared}" if shared else ""))
    p = html.escape(caption.probability)
    probability = f'<br><span class="vae-p">{p}</span>' if p else ""
    return (
        f'<li data-garment="{caption.garment}"{" class=vae-shared" if shared else ""} '
        f'title="{html.escape(name)}">'
        f'<button type="button" class="vae-item" data-marks=\'{marks}\'>'
        f'<img src="{pictures.uri(caption.garment)}" alt="{alt}">{badge}'
        f"<b>{class_name.replace('/', '/<wbr>')}</b><br>"
        f'<span class="vae-unit">{caption.unit}</span> {caption.score}{probability}'
        "</button></li>"
    )
