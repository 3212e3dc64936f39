"""The text below the sliders as HTML: how familiar z is, and the rows of nearest garments."""

import html
from collections.abc import Callable
from dataclasses import dataclass

from vae_lib.data import Images
from vae_lib.explorer.state import Answer
from vae_lib.figures import RULE_COLORS, RULE_NAMES
from vae_lib.retrieval import Neighbors

ROW_NAMES = {
    **RULE_NAMES,
    "round trip": "log likelihood after a round trip",
    "gate": "the gate",
}


def number(value: float, digits: int = 2) -> str:
    """Return a number as text, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "−")


def percent(probability: float) -> str:
    """Return a probability in per cent; a small one is never said to be 0."""
    return "< 0.1 %" if probability < 0.0005 else f"{100 * probability:.1f} %"


@dataclass(frozen=True)
class Caption:
    """What stands under a garment: its class, and its score by the rule of its row."""

    garment: int
    class_name: str
    unit: str  # "log q" or "distance"
    score: str
    probability: str  # "p 98.0 %", or nothing

    @property
    def text(self) -> str:
        """The caption in a line of its own."""
        parts = (self.class_name, f"{self.unit} {self.score}", self.probability)
        return ", ".join(part for part in parts if part)


def captions(neighbors: Neighbors, images: Images) -> list[Caption]:
    """Return a caption for each garment of a row."""
    scores = neighbors.scores.tolist()
    # a large number gets a digit less: ten captions stand side by side
    if neighbors.probabilities is None:
        texts = [("distance", number(score, 2 if score < 10 else 1), "") for score in scores]
    else:
        texts = [
            ("log q", number(score, 1 if score > -1000 else 0), f"p {percent(probability)}")
            for score, probability in zip(scores, neighbors.probabilities.tolist(), strict=True)
        ]
    return [
        Caption(garment, images.class_names[images.train_labels[garment]], *text)
        for garment, text in zip(neighbors.indices.tolist(), texts, strict=True)
    ]


def title(rule: str, answer: Answer) -> str:
    """Return what a row shows, in words."""
    text = f"Nearest by {ROW_NAMES[rule]}"
    if rule == "gate":
        where = "at z, which is near" if answer.familiar else "after a round trip, since z is far"
        text += f": log likelihood {where}"
    return text


def overlap(answer: Answer) -> str:
    """Return how many garments the rows have in common, in words; there are at least two rows."""
    shown = len(next(iter(answer.neighbors.values())).indices)
    rows = len(answer.neighbors)
    return f"{len(answer.shared)} of {shown} in common{f' to all {rows} rows' if rows > 2 else ''}."


def familiarity(answer: Answer) -> str:
    """Return whether the model has seen anything like z, in words and numbers."""
    near, sign = ("Near something", "<") if answer.familiar else ("Far from anything", "≥")
    return (
        f"{near} the model has seen: smallest Mahalanobis² "
        f"{number(answer.mahalanobis2, 1)} {sign} {number(answer.familiar_below, 1)}, "
        "the 99.9 % quantile of χ²."
    )


def winners(answer: Answer, images: Images) -> str:
    """Return the first garment of each row with its score, in words."""
    firsts = [
        f"{ROW_NAMES[rule]}: {first.text}"
        for rule, neighbors in answer.neighbors.items()
        for first in captions(neighbors, images)[:1]
    ]
    return "Nearest by " + "; by ".join(firsts)


def rows_html(answer: Answer, images: Images, picture: Callable[[int], str]) -> str:
    """Return all rows, and links between garments that are in each of them.

    picture: from a garment's number to the address of its picture. A shared garment has a frame,
    and carries in every row the place that it has in the first one.
    """
    shared, parts = answer.shared, []
    for rule, neighbors in answer.neighbors.items():
        items = [_item(c, shared.get(c.garment), picture) for c in captions(neighbors, images)]
        text = html.escape(title(rule, answer))
        parts.append(
            f'<div class="vae-title" style="--rule: {RULE_COLORS[rule]}"><b>{text}</b></div>'
            f'<ol class="vae-row" aria-label="{text}" data-rule="{rule}">{"".join(items)}</ol>'
        )
    return "".join(parts)


def _item(caption: Caption, shared: int | None, picture: Callable[[int], str]) -> str:
    name = html.escape(caption.class_name)
    badge = f'<span class="vae-badge">{shared}</span>' if shared else ""
    alt = f"garment {caption.garment}, {name}" + (f", shared, {shared}" if shared else "")
    probability = f"<br>{html.escape(caption.probability)}" if caption.probability else ""
    return (
        f'<li data-garment="{caption.garment}"{" class=vae-shared" if shared else ""} '
        f'title="garment {caption.garment}">'
        f'<img src="{picture(caption.garment)}" alt="{alt}">{badge}'
        f"<b>{name.replace('/', '/<wbr>')}</b><br>"
        f'<span class="vae-unit">{caption.unit}</span> {caption.score}{probability}</li>'
    )
