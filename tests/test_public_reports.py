"""Further cases of the kinds of fault that public reports of other projects describe.

Most kinds are tested beside the function concerned. This file holds the cases that concern several
parts of the library: spellings of a path, results that are pickled, NumPy numbers, empty batches,
and tensors of other types.
"""

import copy
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_lib import (
    Explorer,
    Images,
    PosteriorIndex,
    Posteriors,
    add_garments,
    encode_dataset,
    gated_search,
    inspect_images,
    load_folder,
    load_images,
    load_pretrained,
    roundtrip,
    search_picture,
    write_drawn_folder,
)
from vae_lib.evaluation import Wardrobe, evaluate, importance_moments
from vae_lib.garments import draw_garments


@pytest.fixture(scope="module")
def few(drawn) -> Images:
    train, test = slice(0, 200), slice(0, 20)
    return Images(
        drawn.name,
        drawn.class_names,
        drawn.train_images[train],
        drawn.train_labels[train],
        drawn.test_images[test],
        drawn.test_labels[test],
    )


@pytest.fixture(scope="module")
def small(vae, few) -> PosteriorIndex:
    return PosteriorIndex(encode_dataset(vae, few.train_images))


@pytest.fixture(scope="module")
def cells(small):
    pytest.importorskip("faiss", reason="python3 course.py lab")
    from vae_lib.engines import FaissIndex

    return FaissIndex(small.posteriors, cells=5)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home that is also the working directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deeper").mkdir()
    return tmp_path


# --- one file under every spelling of its path ----------------------------------------------------

SPELLINGS = ["~/file", "file", "./file/", "deeper/../file"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_indices_and_posteriors_are_saved_and_loaded_under_every_spelling(
    home, small, cells, spelling
):
    for thing in (small, small.posteriors, cells):
        thing.save(spelling)
        for path in (spelling, Path(spelling), home / "file"):
            assert len(type(thing).load(path)) == len(thing)
        assert sorted(path.name for path in home.iterdir()) == ["deeper", "file"]
        (home / "file").unlink()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_folder_of_pictures_is_written_and_read_under_every_spelling(home, spelling):
    write_drawn_folder(spelling, count=12)
    assert write_drawn_folder(home / "file", count=12) == home / "file"
    expected = load_folder(home / "file").train_images
    assert load_folder(spelling).train_images.equal(expected)
    assert load_images(Path(spelling)).train_images.equal(expected)
    assert sorted(path.name for path in home.iterdir()) == ["deeper", "file"]


# --- results that are pickled, copied or saved ----------------------------------------------------


def results(vae, index, images) -> dict[str, object]:
    z = index.posteriors.mean[:3]
    return {
        "wardrobe": Wardrobe(vae, index, images),
        "index that has searched": index,
        "images": images,
        "picture search": search_picture(vae, index, images, io.BytesIO(png(images))),
        "gated answer": gated_search(vae, index, z),
        "evaluation": evaluate(Wardrobe(vae, index, images), 5, 0, ["likelihood"], progress=False),
        "importance moments": importance_moments(vae, images.test_images[:2], samples=5),
        "findings": inspect_images(images),
        "garments": draw_garments(12),
    }


def png(images: Images) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(images.test_images[0, 0].numpy()).save(stream, format="PNG")
    return stream.getvalue()


def test_every_result_can_be_pickled_copied_and_saved(vae, small, few):
    for name, result in results(vae, small, few).items():
        stream = io.BytesIO()
        torch.save(result, stream)
        stream.seek(0)
        saved = torch.load(stream, weights_only=False)
        for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), saved):
            assert type(again) is type(result), name
            assert repr(again) == repr(result), name


def test_a_pickled_index_gives_the_same_answers(small, cells):
    z = small.posteriors.mean[:20]
    for index in (small, cells):
        again = pickle.loads(pickle.dumps(index))
        assert again.search(z).indices.equal(index.search(z).indices)
        assert again.search(z).scores.equal(index.search(z).scores)


# --- numbers of NumPy and of torch ----------------------------------------------------------------

KINDS = [np.int64, np.uint8, torch.tensor]


@pytest.mark.parametrize("kind", KINDS)
def test_faiss_takes_whole_numbers_of_every_kind(small, kind):
    pytest.importorskip("faiss", reason="python3 course.py lab")
    from vae_lib.engines import FaissIndex, recall

    expected = FaissIndex(small.posteriors, cells=5, seed=3)
    engine = FaissIndex(small.posteriors, cells=kind(5), seed=kind(3))
    assert engine.cell_of.equal(expected.cell_of)
    engine.nprobe = kind(4)
    assert engine.nprobe == 4
    z = small.posteriors.mean[:5]
    assert recall(engine, z, kind(3)) == recall(engine, z, 3)
    assert engine.tune(z, k=kind(3)) >= 0.99


@pytest.mark.parametrize("number", [2.5, "3", None, True])
def test_faiss_refuses_other_numbers_of_cells_in_words(cells, number):
    with pytest.raises(TypeError, match="nprobe: expected an int, got"):
        cells.nprobe = number


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_counts_are_whole_numbers_of_every_kind(vae, small, few, tmp_path, kind):
    wardrobe = Wardrobe(vae, small, few)
    tables = [
        evaluate(wardrobe, count, seed, ["likelihood"], progress=False)
        for count, seed in ((5, 3), (kind(5), kind(3)))
    ]
    assert tables[0].estimates == tables[1].estimates
    assert draw_garments(kind(5), kind(3), kind(30)).images.equal(draw_garments(5, 3, 30).images)
    folder = write_drawn_folder(tmp_path / "drawn", count=kind(12), seed=kind(3), size=kind(30))
    assert write_drawn_folder(folder, count=12, seed=3, size=30) == folder
    resized = load_folder(folder, size=kind(30), seed=kind(3)).train_images
    assert resized.equal(load_folder(folder, size=30, seed=3).train_images)
    explorers = [Explorer(vae, small, few, seed=seed) for seed in (kind(3), 3)]
    assert repr(explorers[0]) == repr(explorers[1])
    for explorer in explorers:
        explorer.close()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_degrees_of_freedom_are_numbers_of_every_kind(small, kind):
    z = small.posteriors.mean[:5]
    expected = small.search(z, rule="student-t", nu=3)
    assert small.search(z, rule="student-t", nu=kind(3)).scores.equal(expected.scores)


# --- no query, no picture -------------------------------------------------------------------------


def test_faiss_answers_an_empty_batch(cells):
    none = torch.zeros(0, 10)
    found = cells.search(none, k=4)
    assert found.indices.shape == found.scores.shape == (*found.probabilities.shape[:1], 4)
    assert len(pickle.loads(pickle.dumps(found))) == 0


def test_a_recall_without_queries_is_refused(cells):
    from vae_lib.engines import recall

    none = torch.zeros(0, 10)
    for call in (lambda: recall(cells, none), lambda: cells.tune(none)):
        with pytest.raises(ValueError, match="z: expected at least one query, got none"):
            call()


def test_no_new_pictures_are_refused(vae, small, few):
    with pytest.raises(ValueError, match="pictures: expected at least one picture, got none"):
        add_garments(vae, small, few, [], "Bag")


# --- tensors and models of other types ------------------------------------------------------------

TYPES = [torch.float64, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", TYPES)
def test_models_of_every_type_answer(small, few, dtype):
    vae = load_pretrained("drawn", latent_dim=10).to(dtype)
    z = small.posteriors.mean[:3]
    assert roundtrip(vae, z).shape == (3, 10)
    assert gated_search(vae, small, z).indices.shape == (3, 10)
    found = search_picture(vae, small, few, io.BytesIO(png(few)))
    assert len(found.neighbors["likelihood"]) == 10
    table = evaluate(Wardrobe(vae, small, few), 3, 0, ["gate"], progress=False)
    assert all(torch.tensor(each.value).isfinite() for each in table.estimates.values())


@pytest.mark.parametrize("dtype", TYPES)
def test_queries_of_every_type_and_with_gradients_are_searched(small, cells, dtype):
    z = small.posteriors.mean[:3].to(dtype)
    for index in (small, cells):
        found = index.search(z.clone().requires_grad_())
        assert found.indices.equal(index.search(z).indices)
        assert not found.scores.requires_grad


@pytest.mark.parametrize("dtype", TYPES)
def test_posteriors_of_every_type_are_indexed(small, dtype):
    mean, std = small.posteriors.mean.to(dtype), small.posteriors.std.to(dtype)
    index = PosteriorIndex(Posteriors(mean, std))
    assert index.search(index.posteriors.mean[:3]).scores.isfinite().all()
