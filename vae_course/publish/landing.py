"""What the site's landing page shows: the notebooks of the README's table, and the authors.

docs/landing.html is the template of the page, and docs/conf.py fills it in.
"""

import re
from dataclasses import dataclass

import yaml

from vae_course import ROOT

ROW = r"^\| \[(\d+) ([^]]+)\]\((notebooks/\S+)\.ipynb\) \| (\d+)(?: \+ (\d+))? \| (.+) \|$"


@dataclass(frozen=True)
class Card:
    """One notebook: its number, title, page without suffix, minutes and subject."""

    number: str
    title: str
    page: str
    reading: str
    exercises: str
    subject: str


def cards() -> list[Card]:
    """Return a card for each notebook in the README's table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [Card(*row) for row in re.findall(ROW, readme, flags=re.MULTILINE)]


def authors() -> str:
    """Return the names of the authors in CITATION.cff."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    names = (
        each.get("name") or f"{each.get('given-names', '')} {each['family-names']}".strip()
        for each in citation["authors"]
    )
    return ", ".join(names)
