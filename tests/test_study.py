"""The study: resumed where it stopped, readable as a file, and the one that is shipped."""

import json
import math
import statistics

import pytest
import torch

from vae_course.measured import load_study, study, weights
from vae_lib import load_images
from vae_lib.data import Images


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A study of two seeds and one objective, one epoch each, on 600 drawn garments."""
    drawn = load_images("drawn")

    def few(name):
        tensors = {f: v for f, v in vars(drawn).items() if isinstance(v, torch.Tensor)}
        part = {field: value[:600] for field, value in tensors.items()}
        names = (drawn.class_names, drawn.factor_names)
        return Images(name=name, class_names=names[0], factor_names=names[1], **part)

    monkeypatch.setattr(study, "load_images", few)
    for tool in (study, weights):
        monkeypatch.setattr(tool, "EPOCHS", {"drawn": 1})
    monkeypatch.setattr(study, "SEEDS", range(2))
    monkeypatch.setattr(study, "OBJECTIVES", {"beta 4": (0.0, 4.0)})
    monkeypatch.setattr(study, "QUERIES", 20)
    monkeypatch.setattr(study, "BUILD", tmp_path / "build")
    monkeypatch.setattr(study, "STUDY", tmp_path / "study.json")
    return study


def test_it_writes_mean_and_spread_of_every_figure(small, capsys):
    assert small.main([]) == 0
    found = json.loads(small.STUDY.read_text())
    assert set(found["weights_sha256"]) == {"drawn-beta-4-seed-0", "drawn-beta-4-seed-1"}
    figure = found["figures"]["drawn/beta 4/posterior/likelihood/recall@1"]
    assert figure["mean"] == pytest.approx(statistics.mean(figure["seeds"]), rel=1e-3)
    assert figure["std"] == pytest.approx(statistics.stdev(figure["seeds"]), rel=1e-2, abs=1e-3)
    assert "drawn, beta 4, seed 1" in capsys.readouterr().out


def test_finished_parts_are_not_repeated(small, monkeypatch):
    small.main([])
    before = small.STUDY.read_text()
    for name in ("trained", "evaluate"):
        monkeypatch.setattr(small, name, None)  # a call would fail
    small.main([])
    assert small.STUDY.read_text() == before


def test_an_interrupted_study_continues_with_the_missing_parts(small, monkeypatch, capsys):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(small, "evaluate", stopped)
        assert small.main([]) == 130
    assert "to resume" in capsys.readouterr().out
    assert not small.STUDY.exists()
    trained = sorted(small.BUILD.glob("*.safetensors"))
    assert len(trained) == 1
    stamp = trained[0].stat().st_mtime_ns
    assert small.main([]) == 0
    assert trained[0].stat().st_mtime_ns == stamp


def test_a_table_of_other_weights_is_made_again(small):
    small.main([])
    cache = next(small.BUILD.glob("*seed-0.json"))
    table = json.loads(cache.read_text())
    cache.write_text(json.dumps(table | {"sha256": "another", "figures": {}}))
    assert small.main([]) == 0
    assert json.loads(cache.read_text()) == table


def test_every_figure_has_a_line_of_its_own(small):
    small.main([])
    text = small.STUDY.read_text()
    assert text.count('{"mean":') == len(json.loads(text)["figures"])
    assert all(line.count('"mean"') <= 1 for line in text.splitlines())


# --- the one that is shipped ----------------------------------------------------------------------


def test_the_shipped_study_is_whole():
    found = load_study()
    assert found.facts["command"] == "python3 course.py study"
    assert list(found.facts["objectives"]) == list(study.OBJECTIVES)
    assert found.facts["epochs"] == study.EPOCHS
    assert len(found.facts["weights_sha256"]) == 30
    for name, spread in found.figures.items():
        assert len(spread.seeds) == 5, name
        assert all(math.isfinite(value) for value in spread.seeds), name
        size = max(map(abs, spread.seeds)) + 1e-9
        assert spread.mean == pytest.approx(statistics.mean(spread.seeds), abs=2e-3 * size), name
        assert spread.std == pytest.approx(statistics.stdev(spread.seeds), abs=2e-3 * size), name


def test_the_shipped_study_was_made_on_the_garments_that_we_draw():
    from vae_course.measured.weights import data_sha256

    assert load_study().facts["data_sha256"]["drawn"] == data_sha256(load_images("drawn"))


def test_a_figure_is_found_by_its_parts():
    found = load_study()
    key = ("drawn", "beta 4", "posterior", "likelihood", "recall@1")
    assert found[key] == found.figures["/".join(key)]
    with pytest.raises(KeyError, match="beta 5"):
        found["drawn", "beta 5", "negative ELBO"]
