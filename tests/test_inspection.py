"""What `inspect_images` finds in folders that were spoiled on purpose."""

import pytest
import torch
from PIL import Image

from vae_lib import inspect_images, load_folder, load_images
from vae_lib.garments import draw_garments

GARMENTS = draw_garments(120, seed=3, size=96, color=True)


def photograph(row):
    return Image.fromarray(GARMENTS.images[row].permute(1, 2, 0).numpy()).resize((300, 300))


@pytest.fixture
def folder(tmp_path):
    """Forty photographs of two kinds."""
    for row in range(40):
        kind = tmp_path / ("a", "b")[row % 2]
        kind.mkdir(exist_ok=True)
        photograph(row).save(kind / f"{row:02}.jpg", quality=95)
    return tmp_path


def findings(images):
    """Return the findings by their subject, for easy reading."""
    subjects = ("train", "test", "blank", "twice", "rare")
    return dict(zip(subjects, inspect_images(images), strict=True))


@pytest.mark.parametrize("options", [{}, {"size": 64, "color": True}])
def test_a_good_folder_has_few_findings(folder, options):
    found = findings(load_folder(folder, **options))
    assert [subject for subject, finding in found.items() if not finding.fine] == ["test"]
    assert str(found["test"]) == "[look] 6 pictures held out; useful intervals take 100"
    assert str(found["train"]) == "[ok]   34 pictures to learn from; it takes 12"


@pytest.mark.parametrize(
    ("quality", "options"),
    [(20, {}), (60, {}), (20, {"size": 64, "color": True}), (60, {"trim": True})],
)
def test_a_photograph_saved_again_at_another_quality_is_found(folder, options, quality):
    for row in range(0, 40, 2):
        file = folder / "a" / f"{row:02}.jpg"
        Image.open(file).save(file.with_name(f"copy of {file.name}"), quality=quality)
    images = load_folder(folder, **options)
    names = {file.name for file in images.test_files}
    expected = {name for name in names if f"copy of {name}" not in names and "copy" not in name}
    expected |= {name for name in names if "copy" in name and name[8:] not in names}
    expected = {name for name in expected if int(name[-6:-4]) % 2 == 0}
    found = {pair.split("'")[1] for pair in findings(images)["twice"].names}
    assert len(expected) >= 4
    assert found <= expected
    # where margins are trimmed, noise may move the edge by a pixel
    assert len(found) >= len(expected) - ("trim" in options)


def test_different_garments_are_not_taken_for_the_same(drawn):
    assert len(findings(drawn)["twice"].names) < len(drawn.test_images) / 100
    assert findings(load_images("drawn", size=32, color=True))["twice"].fine


def test_the_same_shape_in_another_colour_is_another_garment(tmp_path):
    for number, color in enumerate(["red", "green", "blue", "black"]):
        picture = Image.new("RGB", (64, 64), "white")
        picture.paste(color, (20, 10, 44, 60))
        picture.save(tmp_path / f"{number}.png")
    assert findings(load_folder(tmp_path, color=True, size=32))["twice"].fine


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_pictures_are_named(folder, level):
    noise = torch.randint(level - 2, level + 3, (200, 200)).clamp(0, 255).to(torch.uint8)
    Image.fromarray(noise.numpy()).save(folder / "a" / "lens cap.jpg")
    blank = findings(load_folder(folder))["blank"]
    assert blank.names == ["'lens cap.jpg'"]
    assert str(blank) == "[look] 1 pictures are blank: 'lens cap.jpg'"


def test_kinds_with_a_single_picture_are_named(folder):
    (folder / "hat").mkdir()
    photograph(50).save(folder / "hat" / "only.png")
    rare = findings(load_folder(folder))["rare"]
    assert str(rare) == "[look] 1 kinds have fewer than two pictures: hat (1)"


@pytest.mark.parametrize(
    ("kinds", "each", "missing"), [(1, 14, 0), (1, 5, 9), (7, 2, 5), (3, 1, 11)]
)
def test_too_few_pictures_come_with_the_number_that_would_do(tmp_path, kinds, each, missing):
    for kind in range(kinds):
        (tmp_path / str(kind)).mkdir()
        for number in range(each):
            photograph(kind * each + number).save(tmp_path / str(kind) / f"{number}.png")
    enough = findings(load_folder(tmp_path))["train"]
    assert enough.fine == (missing == 0)
    assert (f"; add {missing} more to the folder" in enough.text) == (missing > 0)
    for number in range(missing):
        photograph(20 + number).save(tmp_path / "0" / f"more {number}.png")
    assert findings(load_folder(tmp_path))["train"].fine


def test_garments_without_files_are_named_by_their_row(drawn):
    with pytest.raises(TypeError, match="images: expected Images, got list"):
        inspect_images([])
    blank = load_images("drawn", seed=2)
    blank.train_images[7] = 9
    assert findings(blank)["blank"].names == ["train 7"]
