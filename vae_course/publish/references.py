"""Read references.bib and format its entries."""

import re

from vae_course import ROOT

BIBLIOGRAPHY = ROOT / "references.bib"


def references() -> dict[str, dict[str, str]]:
    """Return the fields of each reference, such as title, year and author, by its key."""
    text = BIBLIOGRAPHY.read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"^@\w+", text, flags=re.MULTILINE)[1:]:
        fields = re.findall(r"^  (\w+) = \{(.+)\},?$", entry, flags=re.MULTILINE)
        (key,) = re.findall(r"^\{(\w+),", entry)
        found[key] = {name: re.sub("[{}]", "", value) for name, value in fields}
    return found


def as_markdown(reference: dict[str, str]) -> str:
    """Format a reference as one line of Markdown: authors, title, year and venue."""
    authors = " and ".join(_first_name_first(a) for a in reference.get("author", "").split(" and "))
    authors = re.sub(" and (?=.* and )", ", ", authors)
    venues = ("journal", "booktitle", "publisher", "howpublished")
    (venue,) = (reference[name] for name in venues if name in reference)
    title = f"*{reference['title']}* ({reference['year']})"
    return ". ".join(part for part in (authors, title, venue) if part) + "."


def _first_name_first(author: str) -> str:
    return " ".join(reversed(author.split(", ")))
