"""A wardrobe in use: it answers pictures, and grows and shrinks without training."""

import io

import pytest
import torch

from vae_course.measured import color_wardrobe, load_color_wardrobe
from vae_lib import (
    PosteriorIndex,
    add_garments,
    encode_dataset,
    load_folder,
    remove_garments,
    search_picture,
    write_drawn_folder,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return load_folder(write_drawn_folder(tmp_path_factory.mktemp("own") / "wardrobe", count=60))


@pytest.fixture(scope="module")
def index(vae, images):
    return PosteriorIndex(encode_dataset(vae, images.train_images))


def test_a_picture_of_the_wardrobe_is_its_own_nearest_by_every_rule(vae, index, images):
    rules = ("likelihood", "euclidean", "mahalanobis", "scaled-euclidean")
    for row in (0, 7, 49):
        found = search_picture(vae, index, images, images.train_files[row], k=3, rules=rules)
        assert found.x[0].equal(images.train_images[row])
        torch.testing.assert_close(found.posterior.mean[0], index.posteriors.mean[row])
        assert list(found.neighbors) == list(rules)
        for rule in ("euclidean", "mahalanobis", "scaled-euclidean"):
            assert found.neighbors[rule].indices[0] == row
        expected = index.search(found.posterior.mean[0], 3)
        assert found.neighbors["likelihood"].indices.equal(expected.indices)


def test_bytes_and_open_files_are_pictures_too(vae, index, images):
    content = images.test_files[0].read_bytes()
    expected = search_picture(vae, index, images, images.test_files[0])
    for source in (content, io.BytesIO(content)):
        found = search_picture(vae, index, images, source)
        assert found.posterior.mean.equal(expected.posterior.mean)
    with pytest.raises(ValueError, match="not a picture"):
        search_picture(vae, index, images, b"Dear Sir or Madam")


def test_added_garments_are_found_and_nothing_else_changes(vae, index, images):
    larger, more = add_garments(vae, index, images, images.test_files[:3], kind="New kind")
    assert len(larger) == len(index) + 3 == len(more.train_images) == len(more.train_labels)
    assert larger.posteriors.mean[: len(index)].equal(index.posteriors.mean)
    assert more.train_images[-3:].equal(images.test_images[:3])
    assert more.class_names[-1] == "New kind"
    assert set(more.train_labels[-3:].tolist()) == {len(images.class_names)}
    assert more.train_files[-3:] == images.test_files[:3]
    found = search_picture(vae, larger, more, images.test_files[1], rules=["euclidean"])
    assert found.neighbors["euclidean"].indices[0] == len(index) + 1
    assert len(images.train_images) == len(index)  # the old ones are as they were
    same, again = add_garments(
        vae, index, images, images.test_files[:1], kind=images.class_names[2]
    )
    assert len(same) == len(index) + 1
    assert again.class_names == images.class_names
    assert again.train_labels[-1] == 2


def test_removed_garments_are_gone_and_the_others_keep_their_order(vae, index, images):
    smaller, fewer = remove_garments(index, images, [0, 5])
    kept = [row for row in range(len(index)) if row not in (0, 5)]
    assert smaller.posteriors.mean.equal(index.posteriors.mean[kept])
    assert fewer.train_files == [images.train_files[row] for row in kept]
    assert fewer.train_images.equal(images.train_images[kept])
    assert fewer.train_labels.equal(images.train_labels[kept])
    found = search_picture(vae, smaller, fewer, images.train_files[5], k=1)
    assert fewer.train_files[int(found.neighbors["euclidean"].indices[0])] != images.train_files[5]
    with pytest.raises(ValueError, match="garments: expected"):
        remove_garments(index, images, [len(index)])


def test_drawn_garments_keep_their_factors(vae, drawn, tmp_path):
    file = write_drawn_folder(tmp_path / "one", count=1)
    (picture,) = file.rglob("*.png")
    index = PosteriorIndex(encode_dataset(vae, drawn.train_images))
    larger, more = add_garments(vae, index, drawn, [picture], kind="Bag")
    assert more.train_factors.shape == (len(larger), len(drawn.factor_names))
    assert more.train_factors[-1].isnan().all()
    assert more.train_files is None
    smaller, fewer = remove_garments(larger, more, [len(larger) - 1])
    assert fewer.train_factors.nan_to_num(-1).equal(drawn.train_factors.nan_to_num(-1))
    assert len(smaller) == len(index)


def test_the_measured_colour_wardrobe_reaches_the_required_kind_and_colour(tmp_path):
    measured = load_color_wardrobe()
    for share in measured["by chance"].values():
        assert share < 0.2
    kind, color = (measured["right"]["likelihood"][name] for name in ("kind", "colour"))
    assert kind[1] <= kind[0] <= kind[2]
    assert kind[0] > 0.7
    assert color[0] > 0.75
    assert measured["right with Bernoulli pixels"]["likelihood"]["colour"][0] < 0.5
    assert (measured["pictures"], measured["held out"], measured["size"]) == (2500, 500, 64)
    drawn = write_drawn_folder(tmp_path / "drawn", count=40, size=28, color=True)
    again = color_wardrobe.measure(drawn, size=28, epochs=1)
    assert measured.keys() - again.keys() == {"machine", "right with Bernoulli pixels"}
    assert again["right"].keys() == measured["right"].keys()


def test_the_colour_of_a_drawn_picture_is_in_its_name(tmp_path):
    images = load_folder(
        write_drawn_folder(tmp_path / "drawn", count=40, color=True), size=28, color=True
    )
    same = color_wardrobe.same_color(images)
    assert same.shape == (len(images.test_images), len(images.train_images))
    color = images.test_files[3].stem.split("-")[1]
    assert same[3].tolist() == [f"-{color}." in file.name for file in images.train_files]
