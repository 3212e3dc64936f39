"""Folders of pictures: polarity, trimming, classes, the split, and what goes wrong on disks."""

import contextlib
import io
import json
import os
import shutil
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis.strategies as st
import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from nbclient.exceptions import CellExecutionError
from PIL import Image, ImageOps

from vae_course.commands.notebooks import execute
from vae_course.figures.folder import photograph_rows, preview_figure
from vae_lib import (
    PosteriorIndex,
    fit,
    folder,
    load_folder,
    load_images,
    load_vae,
    pictures,
    write_drawn_folder,
)
from vae_lib.data import UnknownSource
from vae_lib.figures import png_bytes
from vae_lib.folder import read_folder, split
from vae_lib.garments import COLORS, color_index, draw_garments
from vae_lib.model import VAE
from vae_lib.pictures import Preparation, as_garment, open_picture

DRAWN = draw_garments(1200, seed=5).images[:, 0].numpy()
# light ones, since of a garment that is cut out nobody can tell whether it was swapped
GARMENTS = DRAWN[[grey[grey > 40].mean() > 140 for grey in DRAWN]][:300]
SIDEWAYS = {  # how a camera stores what it notes as orientation 2 to 8 (counter-clockwise)
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_90",
    7: "TRANSVERSE",
    8: "ROTATE_270",
}


def light(grey, size=140):
    """A garment on black, enlarged."""
    return Image.fromarray(grey).resize((size, size), Image.Resampling.BICUBIC)


def dark(grey, size=140):
    """The same on white, as a shop shows it: what was light is dark now."""
    return ImageOps.invert(light(grey, size))


def cut_out(picture, grey):
    """The garment alone; what is transparent has a colour that must not be seen."""
    outline = light(np.where(grey > 40, 255, 0).astype(np.uint8), picture.width)
    loud = Image.composite(picture, Image.new("L", picture.size, 128), outline)
    return Image.merge("LA", (loud, outline))


def save_grey_png(grey, path):
    light(grey).save(path.with_suffix(".png"))


def save_colour_jpeg(grey, path):
    dark(grey, 300).convert("RGB").save(path.with_suffix(".JPG"), quality=95)


def save_print_jpeg(grey, path):
    dark(grey).convert("RGB").convert("CMYK").save(path.with_suffix(".jpeg"), quality=95)


def save_webp(grey, path):
    dark(grey, 91).convert("RGB").save(path.with_suffix(".webp"), lossless=True)


def save_palette_png(grey, path):
    dark(grey).convert("RGB").quantize(64).save(path.with_suffix(".png"))


def save_deep_png(grey, path):
    deep = np.asarray(light(grey)).astype(np.uint16) * 257
    Image.fromarray(deep).save(path.with_suffix(".png"))


def save_dark_cut_out(grey, path):
    cut_out(dark(grey), grey).convert("RGBA").save(path.with_suffix(".png"))


def save_transparent_webp(grey, path):
    cut_out(dark(grey), grey).convert("RGBA").save(path.with_suffix(".webp"), lossless=True)


def save_wrong_extension(grey, path):
    light(grey).save(path.with_suffix(".jpg"), format="PNG")


def save_turned_jpeg(grey, path):
    exif = Image.Exif()
    exif[0x0112] = orientation = 2 + int(grey.sum()) % 7
    turned = dark(grey).transpose(Image.Transpose[SIDEWAYS[orientation]])
    turned.convert("RGB").save(path.with_suffix(".jpg"), exif=exif, quality=95)


CAPSTONE = Path(__file__).parents[1] / "notebooks" / "07_your_own_wardrobe.ipynb"
KINDS = [
    save_grey_png,
    save_colour_jpeg,
    save_print_jpeg,
    save_webp,
    save_palette_png,
    save_deep_png,
    save_dark_cut_out,
    save_transparent_webp,
    save_wrong_extension,
    save_turned_jpeg,
]


def png_header(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def break_some(root):
    """Write five broken pictures; return a part of the reason expected for each."""
    noise = Image.effect_noise((200, 200), 80)
    for name in ("cut.jpg", "cut.png"):
        noise.save(root / name)
        (root / name).write_bytes((root / name).read_bytes()[:5000])
    (root / "empty.webp").touch()
    (root / "letter.png").write_text("Dear Sir or Madam, please find my picture enclosed.")
    (root / "bomb.png").write_bytes(png_header(60_000, 60_000))
    return {
        "cut.jpg": "truncated",
        "cut.png": "truncated",
        "empty.webp": "an empty file",
        "letter.png": "not a picture in the format PNG",
        "bomb.png": "too many pixels",
    }


def write_mixed(root, count):
    """Write sound pictures of mixed kinds in three classes, and five broken ones."""
    for name in ("a", "b", "c"):
        (root / name).mkdir()
    for number in range(count):
        KINDS[number % len(KINDS)](GARMENTS[number], root / "abc"[number % 3] / f"{number:03}")
    break_some(root / "b")
    return root


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """300 pictures of mixed kinds in three classes, 5 of them broken."""
    return write_mixed(tmp_path_factory.mktemp("wardrobe"), 295)


def tree(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def few(tmp_path):
    """A folder with six sound pictures in it, of one class."""
    root = tmp_path / "few"
    root.mkdir()
    for number in range(6):
        save_grey_png(GARMENTS[number], root / str(number))
    return root


def test_300_mixed_pictures_are_read_and_five_broken_ones_are_listed(mixed, capsys):
    before = tree(mixed)
    images = load_images(str(mixed))
    assert images.name == mixed.name
    assert images.class_names == ["a", "b", "c"]
    assert len(images.train_images) + len(images.test_images) == 295
    for part in (images.train_images, images.test_images):
        assert part.dtype == torch.uint8
        assert part.shape[1:] == (1, 28, 28)
    assert images.train_labels.dtype == torch.int64
    assert images.train_factors is None
    assert images.factor_names is None
    for file, image, label in zip(
        images.train_files, images.train_images, images.train_labels, strict=True
    ):
        assert file.parent.name == images.class_names[label]
        error = np.abs(image[0].numpy().astype(float) - GARMENTS[int(file.stem)])
        assert error.mean() < 12, file  # of 255
    assert sorted(images.unreadable) == sorted(
        f"b/{name}" for name in ("cut.jpg", "cut.png", "empty.webp", "letter.png", "bomb.png")
    )
    printed = capsys.readouterr().out
    assert printed.startswith(
        "5 of 300 pictures could not be read: 'b/bomb.png' (too many pixels), "
    )
    assert len(printed.splitlines()) == 1
    assert tree(mixed) == before


def test_a_small_model_trains_on_mixed_pictures(mixed):
    images = load_folder(mixed)
    history = fit(VAE(latent_dim=2), images, epochs=1, progress=False)
    assert np.isfinite(float(history.train.elbo[-1]))


@pytest.mark.parametrize("save", KINDS, ids=lambda save: save.__name__.removeprefix("save_"))
def test_each_way_of_saving_gives_the_same_garment(tmp_path, save):
    for number in range(20):
        save(GARMENTS[number], tmp_path / str(number))
    found = read_folder(tmp_path)
    for file, image in zip(found.files, found.images, strict=True):
        assert np.abs(image[0].numpy().astype(float) - GARMENTS[int(file.stem)]).mean() < 12


def test_a_picture_in_the_format_of_the_data_set_is_not_changed():
    for grey in DRAWN:
        assert np.array_equal(as_garment(Image.fromarray(grey))[0].numpy(), grey)


def test_unreadable_gives_the_reason_for_each_file(few):
    expected = break_some(few)
    unreadable = load_folder(few).unreadable
    assert unreadable.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in unreadable[name]


@given(st.binary(max_size=300), st.integers(0, 4000), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_a_damaged_file_gives_a_garment_or_a_reason_of_one_line(
    tmp_path_factory, garbage, at, kind
):
    path = tmp_path_factory.mktemp("damaged") / "picture.png"
    light(GARMENTS[0], 60).save(path, format=kind)
    whole = bytearray(path.read_bytes())
    whole[at : at + len(garbage)] = garbage
    path.write_bytes(whole)
    try:
        garment = as_garment(open_picture(path))
    except ValueError as error:
        reason = str(error)
    else:
        reason = f"none, it is {list(garment.shape)}"
    assert len(reason.splitlines()) == 1


@given(st.integers(1, 400), st.integers(1, 400), st.booleans())
def test_padding_with_black_keeps_the_aspect_ratio(width, height, invert):
    picture = Image.new("L", (width, height), 0 if invert else 255)
    garment = as_garment(picture, Preparation(invert=invert))[0].numpy()
    assert garment.max() == 255
    rows, columns = garment.any(axis=1).sum(), garment.any(axis=0).sum()
    scale = 28 / max(width, height)
    assert (rows, columns) == (max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = np.argmax(garment.any(axis=1)), np.argmax(garment.any(axis=0))
    assert (top, left) == ((28 - rows) // 2, (28 - columns) // 2)


def test_a_very_long_picture_needs_little_memory():
    assert (
        as_garment(Image.new("L", (1_000_000, 1), 255), Preparation(invert=False)).sum() == 28 * 255
    )


def test_the_border_decides_whether_to_invert_unless_the_caller_chooses(tmp_path):
    (tmp_path / "coats").mkdir()
    for number in range(4):
        save_colour_jpeg(GARMENTS[number], tmp_path / "coats" / str(number))
        save_grey_png(GARMENTS[number], tmp_path / "coats" / str(number))
    by_choice = {
        invert: read_folder(tmp_path, Preparation(invert=invert))
        .images.float()[:, 0, 0]
        .mean(dim=1)
        for invert in ("auto", True, False)
    }
    on_light = torch.tensor([True, False] * 4)  # 0.JPG, 0.png, 1.JPG, ...
    assert (by_choice["auto"] < 60).all()
    assert ((by_choice[True] < 60) == on_light).all()
    assert ((by_choice[False] < 60) == ~on_light).all()
    with pytest.raises(ValueError, match="invert: expected 'auto', True or False, got 'yes'"):
        load_folder(tmp_path, invert="yes")


def tight(grey):
    """A drawn garment without its margin."""
    rows, columns = ((grey > 4).any(axis=axis).nonzero()[0] for axis in (1, 0))
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def on_a_large_background(grey, kind):
    """A garment of a few hundred pixels, to the left and above the middle of 900×700 ones."""
    garment = light(grey, 280)
    if kind == "cut out":
        shown = Image.new("LA", (900, 700), (77, 0))
        shown.paste(cut_out(garment, grey), (90, 40))
        return shown
    shown = Image.new("L", (900, 700), 0)
    shown.paste(garment, (90, 40))
    levels = {"black": range(256), "white": range(255, -1, -1), "light grey": range(240, -16, -1)}
    return shown.point([max(0, level) for level in levels[kind]])


@pytest.mark.parametrize("kind", ["black", "white", "light grey", "cut out"])
def test_trimming_makes_a_small_garment_fill_the_frame(kind):
    for grey in GARMENTS[:20]:
        large = Image.fromarray(tight(np.asarray(light(grey, 280))))
        expected = as_garment(large, Preparation(invert=False))[0].numpy().astype(float)
        shown = on_a_large_background(grey, kind)
        assert np.abs(as_garment(shown, Preparation(trim=True))[0].numpy() - expected).mean() < 30
        assert np.abs(as_garment(shown)[0].numpy() - expected).mean() > 40


def test_trimming_leaves_full_and_empty_frames_alone(few):
    for picture in (
        Image.fromarray(np.kron(tight(GARMENTS[0]), np.ones((8, 8), np.uint8))),
        Image.new("L", (200, 100), 180),
    ):
        assert as_garment(picture, Preparation(trim=True)).equal(as_garment(picture))
    assert load_folder(few, trim=True).train_images.shape == (5, 1, 28, 28)
    with pytest.raises(ValueError, match="wholly transparent"):
        as_garment(Image.new("RGBA", (30, 30)), Preparation(trim=True))
    with pytest.raises(TypeError, match="trim: expected True or False, got str"):
        load_folder(few, trim="no")


def test_a_garment_that_touches_the_border_does_not_count_as_background():
    trouser = np.full((100, 100), 180, np.uint8)
    trouser[:, 10:90] = 0  # dark, from the upper to the lower edge: the border is dark on average
    assert as_garment(Image.fromarray(trouser))[0, 14, 14] == 255


def on_background(level, garment_level=240):
    """A plain shirt on a plain background."""
    picture = Image.new("L", (60, 60), level)
    picture.paste(garment_level, (15, 10, 45, 50))
    return picture


@pytest.mark.parametrize("most", [118, 138])
def test_a_folder_of_medium_grey_backgrounds_has_one_polarity(tmp_path, most):
    for number in range(9):
        on_background(most).save(tmp_path / f"{number}.png")
    for level in (126, 129):
        on_background(level).save(tmp_path / f"other {level}.png")
    found = read_folder(tmp_path)
    middles = found.images[:, 0, 14, 14].tolist()
    assert max(middles) - min(middles) <= 1
    assert found.how.on_light == (most > 127)


def test_clear_backgrounds_decide_for_themselves_in_a_mixed_folder(tmp_path):
    for number in range(5):
        on_background(255, 60).save(tmp_path / f"white {number}.png")
    on_background(0, 200).save(tmp_path / "black.png")
    found = read_folder(tmp_path)
    assert (found.images[:, 0, 0, 0] == 0).all()  # a black background, either way
    assert (found.images[:, 0, 14, 14] > 190).all()


@pytest.mark.parametrize("difference", [8, 12, 20])
def test_trimming_keeps_all_of_a_light_garment_with_a_dark_print(difference):
    shirt = Image.new("RGB", (300, 300), (255, 255, 255))
    shirt.paste((255, 255 - difference, 255), (60, 40, 240, 260))
    shirt.paste((20, 20, 20), (130, 120, 170, 160))
    garment = as_garment(shirt, Preparation(size=64, color=True, trim=True))
    rows, columns = ((garment[1] < 254).any(dim=dim).sum() for dim in (1, 0))
    assert rows >= 62  # 220 of 220 pixels in height fill the frame
    assert columns >= 50


def test_trimming_ignores_the_noise_of_a_background(tmp_path):
    noise = np.random.default_rng(0).normal(235, 6, (300, 300))
    noise[100:200, 120:180] = 90
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(tmp_path / "a.jpg", quality=70)
    garment = as_garment(open_picture(tmp_path / "a.jpg"), Preparation(trim=True))
    assert (garment[0, :, 14] > 120).sum() >= 26


def test_pictures_in_colour_keep_their_colours_background_and_size(tmp_path):
    for number, color in enumerate([(200, 30, 30), (30, 30, 200)]):
        picture = Image.new("RGB", (60, 80), (230, 220, 210))
        picture.paste(color, (15, 10, 45, 70))
        picture.save(tmp_path / f"{number}.png")
    images = load_folder(tmp_path, size=40, color=True)
    assert images.image_shape == (3, 40, 40)
    assert "40×40 colour" in repr(images)
    both = torch.cat([images.train_images, images.test_images])
    assert both[:, :, 0, 0].tolist() == [[230, 220, 210]] * 2  # the padding, too
    assert sorted(both[:, 0, 20, 20].tolist()) == [30, 200]
    with pytest.raises(ValueError, match="invert: expected 'auto' or False for pictures in colour"):
        load_folder(tmp_path, color=True, invert=True)
    for size in (27, 129):
        with pytest.raises(ValueError, match=f"size: expected 28 to 128, got {size}"):
            load_images(str(tmp_path), size=size)
    assert load_images(str(tmp_path), size=32, color=True).image_shape == (3, 32, 32)


@pytest.mark.parametrize("options", [{"trim": True}, {"size": 32, "color": True}])
def test_a_new_picture_is_prepared_as_the_folder_was(mixed, options):
    images = load_folder(mixed, **options)
    for file, expected in zip(images.train_files[:20], images.train_images, strict=False):
        content = file.read_bytes()
        for source in (file, str(file), content, io.BytesIO(content), open_picture(file, 32)):
            found = images.prepare(source)
            assert found.shape == (1, *images.image_shape)
            assert (found[0].float() - expected.float()).abs().mean() < 2
    assert images.prepare(on_background(127)).equal(images.prepare(on_background(127)))
    with pytest.raises(ValueError, match="not a picture"):
        images.prepare(b"Dear Sir or Madam")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_file_gives_the_classes(few, separator, capsys):
    (few / "summer").mkdir()
    save_grey_png(GARMENTS[6], few / "summer" / "é")
    rows = [
        ("file", "class"),
        ("0.png", "Schürze"),
        ("1.png", "Rock"),
        ("summer/e\u0301.png", "Rock"),
    ]
    rows += [(f"{number}.png", "Rock") for number in (2, 3, 4)]
    text = "\ufeff" + "\n".join(separator.join(row) for row in rows) + "\n\n"
    (few / "labels.csv").write_text(text, encoding="utf-8")
    images = load_folder(few, labels=few / "labels.csv")
    assert images.class_names == ["Rock", "Schürze"]
    kinds = {
        file.name: images.class_names[label]
        for files, labels in (
            (images.train_files, images.train_labels),
            (images.test_files, images.test_labels),
        )
        for file, label in zip(files, labels, strict=True)
    }
    assert kinds == {"0.png": "Schürze", "é.png": "Rock"} | {
        f"{n}.png": "Rock" for n in range(1, 5)
    }
    assert images.unreadable == {"5.png": "no row in labels.csv"}


def test_labels_that_cannot_be_used_raise_errors_with_the_reason(few, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_folder(few, labels=tmp_path / "nowhere.csv")
    (tmp_path / "one.csv").write_text("0.png\n1.png\n")
    with pytest.raises(ValueError, match=r"labels: expected a file name and a class .*'0.png'"):
        load_folder(few, labels=tmp_path / "one.csv")
    (tmp_path / "other.csv").write_bytes("a.png;Mäntel\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"no picture that can be read: '0.png' \(no row in other"):
        load_folder(few, labels=tmp_path / "other.csv")


def test_names_are_escaped_where_the_terminal_cannot_show_them(few, monkeypatch):
    (few / "裙子.png").touch()
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", terminal)
    load_folder(few)
    terminal.flush()
    assert b"\\u88d9" in terminal.buffer.getvalue()


def test_half_transparent_cloth_is_laid_on_black():
    veil = Image.new("LA", (50, 50), (201, 101))
    assert as_garment(veil, Preparation(invert=False))[0, 14, 14] == round(201 * 101 / 255)
    assert as_garment(veil, Preparation(invert=True))[0, 14, 14] == round((255 - 201) * 101 / 255)


def test_large_jpegs_are_read_at_a_smaller_scale_and_other_large_pictures_refused(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100_000)
    for name in ("large.jpg", "large.png"):
        Image.new("L", (1600, 1200)).save(tmp_path / name)
    assert open_picture(tmp_path / "large.jpg").size == (200, 150)
    with pytest.raises(ValueError, match="1600×1200 pixels are too many"):
        open_picture(tmp_path / "large.png")


@pytest.mark.parametrize("grey", [20, 235])
@pytest.mark.parametrize("hidden", [0, 255])
def test_a_cut_out_garment_is_light_on_black_whatever_the_transparent_colour(grey, hidden):
    plane = np.full((56, 56), hidden, np.uint8)
    plane[14:42, 14:42] = grey
    alpha = np.zeros_like(plane)
    alpha[14:42, 14:42] = 255
    garment = as_garment(Image.merge("LA", [Image.fromarray(plane), Image.fromarray(alpha)]))[0]
    assert garment[14, 14] == 235
    assert garment[:5].max() < 3  # and no rim of the colour that is hidden


def test_a_16_bit_grey_that_stands_for_transparency(tmp_path):
    deep = np.full((40, 40), 60_000, np.uint16)
    deep[10:30, 10:30] = 5_000
    Image.fromarray(deep).save(tmp_path / "deep.png", transparency=60_000)
    garment = as_garment(open_picture(tmp_path / "deep.png"))[0]
    assert garment[0].max() == 0
    assert garment[14, 14] == 255 - (5_000 >> 8)


def test_a_wholly_transparent_picture_is_listed(few):
    Image.new("RGBA", (30, 30), (255, 0, 0, 0)).save(few / "ghost.png")
    assert load_folder(few).unreadable == {"ghost.png": "wholly transparent"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_every_exif_orientation_is_undone(tmp_path, orientation, extension):
    quarters = np.full((60, 60), 20, np.uint8)
    quarters[:30, :30] = 220  # light above left, so that every turn and flip differs
    quarters[:30, 30:] = 120
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(quarters)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[SIDEWAYS[orientation]])
    path = tmp_path / f"turned.{extension}"
    stored.save(path, exif=exif)
    garment = as_garment(open_picture(path), Preparation(invert=False))[0].float()
    corners = garment[5, 5], garment[5, 22], garment[22, 5], garment[22, 22]
    assert [float(corner) for corner in corners] == pytest.approx([220, 120, 20, 20], abs=6)


@pytest.mark.parametrize("name", ["noted.jpg", "noted.png", "noted.webp"])
@pytest.mark.parametrize("note", [b"Exif\0\0no such thing at all", b"Exif\0\0MM\0*"])
def test_damaged_exif_data_loses_no_picture(tmp_path, name, note):
    light(GARMENTS[0]).save(tmp_path / name, exif=note)
    assert as_garment(open_picture(tmp_path / name)).any()


def test_a_sound_orientation_in_damaged_exif_data_is_used(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = 1.5
    damaged = exif.tobytes().replace(b"\x01\x1a\x00\x05", b"\x01\x40\x00\x05")  # no colour map
    Image.new("L", (60, 20)).save(tmp_path / "noted.jpg", exif=damaged)
    assert open_picture(tmp_path / "noted.jpg").size == (20, 60)


def test_the_first_frame_of_several_is_read(tmp_path):
    frames = [light(grey).convert("RGB") for grey in GARMENTS[:3]]
    for name in ("moving.webp", "moving.png", "stereo.jpg"):
        kind = {"format": "MPO"} if name.endswith("jpg") else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **kind)
        garment = as_garment(open_picture(tmp_path / name))[0].numpy().astype(float)
        assert np.abs(garment - GARMENTS[0]).mean() < 12


def test_the_first_level_of_folders_gives_the_classes(few):
    for place in ("shoes/red/high", "Bags", "nothing here"):
        (few / place).mkdir(parents=True)
    save_grey_png(GARMENTS[7], few / "shoes/red/high/heel")
    save_grey_png(GARMENTS[8], few / "Bags/bag")
    found = read_folder(few)
    assert found.class_names == ["Bags", "few", "shoes"]
    by_file = {file.stem: label for file, label in zip(found.files, found.labels, strict=True)}
    assert by_file == {"heel": 2, "bag": 0} | {str(number): 1 for number in range(6)}


def test_a_folder_without_sub_folders_is_one_class_with_its_name(few, monkeypatch):
    monkeypatch.chdir(few)
    images = load_images(".")
    assert images.name == "few"
    assert images.class_names == ["few"]
    assert load_images("../few/").name == "few"
    monkeypatch.setenv("VAE_LIB_IMAGES", str(few))
    assert load_images("auto").name == "few"
    assert load_images(Path(few)).name == "few"


def test_hidden_files_and_thumbnails_of_the_system_are_ignored(few, capsys):
    for name in (".DS_Store", "._1.png", ".hidden.png"):
        (few / name).write_bytes(b"\0\1\2")
    for name in ("__MACOSX", ".thumbnails", "@eaDir"):
        (few / name).mkdir()
        save_grey_png(GARMENTS[0], few / name / "small")
    images = load_folder(few)
    assert len(images.train_images) + len(images.test_images) == 6
    assert images.unreadable == {}
    assert capsys.readouterr().out == ""


def test_links_in_a_circle_pipes_and_dead_links(few):
    (few / "inner").mkdir()
    save_grey_png(GARMENTS[6], few / "inner" / "six")
    (few / "inner" / "back").symlink_to(few)
    (few / "up").symlink_to("..")
    (few / "itself").symlink_to(few / "itself")
    (few / "again").symlink_to(few / "inner")  # the folder itself comes first
    (few / "dead.png").symlink_to(few / "nowhere.png")
    os.mkfifo(few / "pipe.png")
    outside = few.parent / "outside"
    outside.mkdir()
    save_grey_png(GARMENTS[7], outside / "seven")
    (few / "linked").symlink_to(outside)
    save_grey_png(GARMENTS[8], few.parent / "not ours")  # where "up" leads
    found = read_folder(few)
    assert found.class_names == ["few", "inner", "linked"]
    assert len(found.files) == 8
    assert found.unreadable == {"dead.png": "a broken link", "pipe.png": "not a file"}


def test_a_sub_folder_without_permission_is_listed(few, monkeypatch):
    (few / "private").mkdir()
    scandir = os.scandir

    def refuse(path):  # permissions do not bind root, who runs this test in a container
        if os.fspath(path).endswith("private"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert read_folder(few).unreadable == {"private": "Permission denied"}


def test_names_with_line_breaks_or_invalid_bytes_are_printed_on_one_line(few, capsys):
    (few / "two\nlines.png").touch()
    with contextlib.suppress(OSError):  # macOS has no such names
        (few / os.fsdecode(b"caf\xe9.png")).touch()
    load_folder(few)
    capsys.readouterr().out.encode()
    assert load_folder(few).unreadable.keys() >= {"two\nlines.png"}
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_many_unreadable_files_make_one_short_line(few, capsys):
    for number in range(1200):
        (few / f"broken {number:04}.png").touch()
    assert len(load_folder(few).unreadable) == 1200
    printed = capsys.readouterr().out
    assert printed.startswith(
        "1,200 of 1,206 pictures could not be read: 'broken 0000.png' (an empty"
    )
    assert printed.endswith(" and 1,195 more.\n")


def test_the_split_depends_on_the_seed_alone(mixed, tmp_path):
    first, again = load_folder(mixed), load_folder(str(mixed) + "/")
    assert first.test_files == again.test_files
    assert first.train_images.equal(again.train_images)
    moved = load_folder(shutil.copytree(mixed, tmp_path / "elsewhere"))  # written in another order
    assert [file.name for file in moved.test_files] == [file.name for file in first.test_files]
    assert load_images(str(mixed), seed=1).test_files != first.test_files
    with pytest.raises(ValueError, match="seed: expected at least 0, got -1"):
        load_folder(mixed, seed=-1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.integers(0, 2**40))
def test_every_class_is_split_and_neither_part_is_empty(labels, seed):
    labels = torch.tensor(labels)
    train, test = split(labels, seed)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(labels)))
    assert len(train)
    assert len(test)
    for label in labels.unique():
        count = int((labels == label).sum())
        held_out = int((labels[test] == label).sum())
        if count > 1:
            assert 1 <= held_out <= count - 1
            assert abs(held_out - count / 6) <= 1
        elif len(labels.unique()) < len(labels):
            assert held_out == 0


def test_unusable_folders_raise_errors_with_the_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path: there is no folder .*nowhere"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no pictures; expected PNG, JPEG, WebP"):
        load_images(str(tmp_path))
    (tmp_path / "broken.png").write_text("?")
    with pytest.raises(
        ValueError, match=r"no picture that can be read: 'broken\.png' \(not a picture"
    ):
        load_images(str(tmp_path))
    with pytest.raises(ValueError, match=r"broken\.png is a file; expected a folder"):
        load_images(str(tmp_path / "broken.png"))
    save_grey_png(GARMENTS[0], tmp_path / "only")
    with pytest.raises(
        ValueError, match="path: expected at least 2 pictures, to train and to test, got 1"
    ):
        load_images(str(tmp_path))


def test_a_folder_without_permission_raises_an_error_with_the_reason(few, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder.os, "listdir", denied)
    with pytest.raises(ValueError, match=r"few cannot be opened \(Permission denied\)"):
        load_folder(few)


@pytest.mark.parametrize(
    "source", ["mnist", "./mnist", "~/no such folder", "", "~nobody/x", "a\0b"]
)
def test_an_unknown_source_raises_an_error_that_names_what_is_expected(source):
    expected = "source: expected one of 'auto', 'fashion-mnist', 'drawn' or the path of a folder"
    with pytest.raises(UnknownSource, match=expected) as caught:
        load_images(source)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FileNotFoundError)
    assert repr(source) in str(caught.value)


def test_a_folder_with_the_name_of_a_source_is_reached_by_its_path(few, monkeypatch):
    few.rename(few.with_name("drawn"))
    monkeypatch.chdir(few.parent)
    assert load_images("drawn").train_factors is not None
    assert load_images("./drawn").class_names == ["drawn"]


def test_a_drawn_folder_is_read_back_as_the_drawn_garments(tmp_path):
    path = write_drawn_folder(tmp_path / "new" / "wardrobe", count=60, seed=3)
    found = read_folder(path)
    garments = draw_garments(60, seed=3)
    rows = [int(file.stem) for file in found.files]
    assert sorted(rows) == list(range(60))
    assert found.images.equal(garments.images[rows])
    assert len(found.class_names) == 10
    assert os.listdir(path.parent) == ["wardrobe"]  # nothing temporary is left


def test_a_drawn_folder_in_colour_names_the_colours(tmp_path):
    path = write_drawn_folder(tmp_path / "wardrobe", count=40, color=True, size=64)
    found = read_folder(path, Preparation(size=64, color=True))
    garments = draw_garments(40, size=64, color=True)
    rows = [int(file.stem[:5]) for file in found.files]
    assert found.images.equal(garments.images[rows])
    places = color_index(garments.factors[:, -1])[rows].tolist()
    assert [file.stem[6:] for file in found.files] == [list(COLORS)[place] for place in places]
    with pytest.raises(FileExistsError, match="we do not overwrite it"):
        write_drawn_folder(path, count=40)


def test_a_drawn_folder_is_written_once_and_overwrites_nothing(tmp_path, few):
    path = write_drawn_folder(tmp_path / "wardrobe", count=20)
    (path / "Dress" / "mine.png").write_text("a picture of mine")
    before = tree(path)
    assert write_drawn_folder(path, count=20) == path
    assert tree(path) == before
    for taken in (path, few, few / "0.png"):
        with pytest.raises(FileExistsError, match="we do not overwrite it"):
            write_drawn_folder(taken, count=21)
    assert tree(path) == before
    (tmp_path / "empty").mkdir()
    assert (write_drawn_folder(tmp_path / "empty", count=2) / folder.MARK).exists()


def test_two_notebooks_at_once_write_one_drawn_folder(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write_drawn_folder(tmp_path / "wardrobe", count=20), range(4)))
    assert os.listdir(tmp_path) == ["wardrobe"]
    assert len(read_folder(tmp_path / "wardrobe").files) == 20


def test_a_drawn_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        write_drawn_folder(tmp_path / "wardrobe", count=5)
    assert os.listdir(tmp_path) == []


def test_the_preview_shows_pictures_above_their_garments(mixed, few, drawn):
    images = load_folder(mixed)
    figure = preview_figure(images, range(5))
    assert len(figure.axes) == 10
    below = figure.axes[5].images[0].get_array()
    assert np.array_equal(below, images.train_images[0, 0].numpy())
    assert png_bytes(figure)
    (few / "$a$ 裙子 and a long name.png").write_bytes((few / "0.png").read_bytes())
    assert png_bytes(preview_figure(load_folder(few)))
    with pytest.raises(ValueError, match="images: expected pictures from a folder"):
        preview_figure(drawn)
    with pytest.raises(ValueError, match="rows: expected some of 0 to 5"):
        preview_figure(load_folder(few), [6])


def test_photographs_are_shown_as_they_lie_in_the_folder_with_their_names(tmp_path):
    path = write_drawn_folder(tmp_path / "wardrobe", count=3, size=64, color=True)
    files = sorted(path.rglob("*.png"))
    figure = photograph_rows({"asked": files[:1], "nearest": files})
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_xlabel() for axes in shown] == [file.name for file in [files[0], *files]]
    for axes, file in zip(shown, [files[0], *files], strict=True):
        photograph = np.asarray(Image.open(file).convert("RGBA"))
        assert np.array_equal(axes.images[0].get_array(), photograph)
    assert png_bytes(figure)


def run_capstone(wardrobe, tmp_path, **settings):
    """Run notebook 07 with the lines changed that a learner changes; return what it prints."""
    notebook = nbformat.read(CAPSTONE, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    cells["your-folder"].source = f"FOLDER = {str(wardrobe)!r}"
    # the fewest epochs
    shortest = "\n".join(f"{name} = {value}" for name, value in ({"SHOWN": 1} | settings).items())
    cells["your-settings"].source += "\n" + shortest
    copy = tmp_path / "course" / "notebooks" / CAPSTONE.name
    copy.parent.mkdir(parents=True)
    nbformat.write(notebook, copy)
    outputs = [o for cell in execute(copy).cells for o in cell.get("outputs", [])]
    assert "stderr" not in [output.get("name") for output in outputs]
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_notebook_07_runs_on_60_pictures_with_five_broken_ones(tmp_path):
    (tmp_path / "mixed").mkdir()
    mixed = write_mixed(tmp_path / "mixed", 55)
    before = tree(mixed)
    printed = run_capstone(mixed, tmp_path)
    for name in ("cut.jpg", "cut.png", "empty.webp", "letter.png", "bomb.png"):
        assert f"'b/{name}': " in printed
    assert "5 pictures could not be read" in printed
    assert "55 pictures of 3 kinds; 5 could not be read" in printed
    assert "colour: not measured" in printed
    kept = tmp_path / "course" / "data" / "kept" / mixed.name
    assert load_vae(kept / "vae.safetensors").image_shape == (3, 32, 32)
    files = json.loads((kept / "files.json").read_text(encoding="utf-8"))
    assert len(PosteriorIndex.load(kept / "index.safetensors")) == len(files)
    assert {Path(file) for file in files} <= set(mixed.rglob("*"))
    assert tree(mixed) == before


@pytest.mark.slow
def test_notebook_07_runs_on_fourteen_grey_pictures_of_one_kind(tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(14):
        save_grey_png(GARMENTS[number], tmp_path / "few" / str(number))
    printed = run_capstone(tmp_path / "few", tmp_path, SIZE=28, COLOR=False)
    assert "[ok]   12 pictures to learn from" in printed
    assert "[look] 2 pictures held out" in printed
    assert "kinds: 1, then 2" in printed


@pytest.mark.slow
def test_notebook_07_asks_for_more_pictures_where_there_are_too_few(few, tmp_path):
    with pytest.raises(
        CellExecutionError, match="too few pictures: 5 to learn from and 1 held out"
    ):
        run_capstone(few, tmp_path)
