"""The registry of rules: what it says of each rule is complete and tells the rules apart."""

from vae_lib import PosteriorIndex
from vae_lib.rules import RANKINGS, RULES


def test_the_reference_describes_every_ranking():
    missing = [rule for rule in RANKINGS if f'- "{rule}":' not in PosteriorIndex.search.__doc__]
    assert missing == []


def test_no_two_rules_look_or_read_alike():
    for field in ("title", "color", "summary"):
        values = [getattr(rule, field) for rule in RULES.values()]
        assert len(set(values)) == len(RULES), values
