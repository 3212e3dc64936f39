"""A folder of 55 awkward files: each one is read, or named with the reason why it is not."""

import contextlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vae_lib import load_folder
from vae_lib.garments import draw_garments
from vae_lib.pictures import Preparation, as_garment, open_picture

GARMENT = draw_garments(1, seed=1, size=96, color=True).images[0].permute(1, 2, 0).numpy()
RGB = Image.fromarray(GARMENT)
GREY = RGB.convert("L")
CONVERT = "which we do not read; export it as JPEG or PNG"


def deep(dtype, factor):
    return Image.fromarray(np.asarray(GREY).astype(dtype) * dtype(factor))


def clear(mode):
    """The garment, with the left half of the picture transparent."""
    picture = RGB.convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 20, 96))
    return picture.convert(mode)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return {"exif": exif}


FRAMES = {"save_all": True, "append_images": [RGB.rotate(90), RGB.rotate(180)]}
READ = {  # a file's name: the picture, and how it is saved
    "print.jpg": (RGB.convert("CMYK"), {}),
    "print.tif": (RGB.convert("CMYK"), {}),
    "grey.jpg": (GREY, {}),
    "progressive.jpeg": (RGB, {"progressive": True}),
    "tiny quality.jfif": (RGB, {"quality": 5, "format": "JPEG"}),
    "deep.png": (deep(np.uint16, 257), {}),
    "deep.tiff": (deep(np.uint16, 257), {}),
    "deeper.tiff": (deep(np.int32, 257), {}),
    "float.tiff": (deep(np.float32, 1 / 255), {}),
    "bits.png": (GREY.convert("1"), {}),
    "fax.tif": (GREY.convert("1"), {"compression": "group4"}),
    "packed.tif": (RGB, {"compression": "tiff_lzw"}),
    "pages.tif": (RGB, FRAMES),
    "moving.gif": (RGB, FRAMES),
    "moving.webp": (RGB, FRAMES),
    "moving.png": (RGB, FRAMES),
    "still.gif": (RGB.quantize(16), {}),
    "clear.gif": (clear("RGBA"), {}),
    "palette.png": (RGB.quantize(32), {}),
    "clear palette.png": (RGB.quantize(32), {"transparency": 0}),
    "clear.png": (clear("RGBA"), {}),
    "clear grey.png": (clear("LA"), {}),
    "clear.webp": (clear("RGBA"), {"lossless": True}),
    "luma.jpg": (RGB.convert("YCbCr"), {}),
    "bitmap.bmp": (RGB, {}),
    "palette.bmp": (RGB.quantize(16), {}),
    "new.avif": (RGB, {}),
    "UPPER.PNG": (RGB, {"format": "PNG"}),
    "turned 3.jpg": (RGB, turned(3)),
    "turned 6.jpg": (RGB, turned(6)),
    "turned 8.tif": (RGB, turned(8)),
    "a PNG.jpg": (RGB, {"format": "PNG"}),
    "a bitmap.png": (RGB, {"format": "BMP"}),
    "no suffix": (RGB, {"format": "JPEG"}),
    "no suffix either": (RGB, {"format": "WEBP"}),
    "a picture.txt": (RGB, {"format": "PNG"}),
    "裙子 ﷽ é.png": (RGB, {}),
    "two\nlines.png": (RGB, {}),
    "-rf *.png": (RGB, {}),
    "long.png": (RGB.resize((900, 3)), {}),
    "one pixel.png": (RGB.resize((1, 1)), {}),
}
REFUSED = {  # a file's name: its content, and the reason
    "empty.png": (b"", "an empty file"),
    "letter.jpg": (b"Dear Sir or Madam", "not a picture"),
    "page.jpg": (b"<html>Please log in</html>", "not a picture"),
    "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(50), f"a HEIC file, {CONVERT}"),
    "phone.jpg": (b"\0\0\0\x18ftypmif1" + bytes(50), f"a HEIC file, {CONVERT}"),
    "catalogue.pdf": (b"%PDF-1.7 ...", f"a PDF file, {CONVERT}"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", f"a SVG file, {CONVERT}"),
    "layers.psd": (b"8BPS" + bytes(60), f"a Photoshop file, {CONVERT}"),
    "next.jxl": (b"\xff\x0a" + bytes(60), f"a JPEG XL file, {CONVERT}"),
    "camera.cr2": (b"II*\0\x10\0\0\0CR" + bytes(60), f"a camera RAW file, {CONVERT}"),
    "camera.nef": (b"MM\0*" + bytes(60), f"a camera RAW file, {CONVERT}"),
    "bomb.bmp": (
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        "too many",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The 55 files: 41 to be read, 12 refused by content, and two that are cut short."""
    root = tmp_path_factory.mktemp("awkward")
    for name, (picture, options) in READ.items():
        picture.save(root / name, **options)
    for name, (content, _) in REFUSED.items():
        (root / name).write_bytes(content)
    for name in ("print.jpg", "clear.png"):
        (root / f"cut {name}").write_bytes((root / name).read_bytes()[:900])
    return root


@pytest.mark.parametrize("color", [False, True])
def test_every_awkward_file_is_read_or_named_with_a_reason(folder, color, capsys):
    assert len(os.listdir(folder)) == 55
    images = load_folder(folder, size=32, color=color)
    read = {file.name for file in [*images.train_files, *images.test_files]}
    assert read == set(READ)
    assert images.unreadable.keys() == {*REFUSED, "cut print.jpg", "cut clear.png"}
    for name, (_, reason) in REFUSED.items():
        assert reason in images.unreadable[name]
    assert "truncated" in images.unreadable["cut print.jpg"]
    assert images.passed_over == []
    assert capsys.readouterr().out.startswith("14 of 55 pictures could not be read: ")


def mean_difference(path, how, turn=0):
    expected = as_garment(RGB.rotate(turn), how)
    return (as_garment(open_picture(path, how.size), how).float() - expected).abs().mean().item()


UNLIKE = {"clear.gif", "clear palette.png", "clear.png", "clear grey.png", "clear.webp"}
UNLIKE |= {"bits.png", "fax.tif", "long.png", "one pixel.png", "tiny quality.jfif"}
WITHOUT_COLOR = {"grey.jpg", "deep.png", "deep.tiff", "deeper.tiff", "float.tiff"}
TURN = {"turned 3.jpg": 180, "turned 6.jpg": 270, "turned 8.tif": 90}


@pytest.mark.parametrize("name", sorted(set(READ) - UNLIKE))
def test_whatever_the_file_format_the_garment_looks_the_same(folder, name):
    grey = Preparation(size=32, invert=True)
    assert mean_difference(folder / name, grey, TURN.get(name, 0)) < 4  # of 255
    if name not in WITHOUT_COLOR:
        color = Preparation(size=32, color=True)
        assert mean_difference(folder / name, color, TURN.get(name, 0)) < 6


def test_a_transparent_picture_in_colour_is_laid_on_white(folder):
    for name in ("clear.gif", "clear.png", "clear.webp"):
        garment = as_garment(open_picture(folder / name), Preparation(color=True))
        assert (garment[:, :, :4] >= 250).all()


def test_other_files_are_counted_and_hidden_ones_ignored(tmp_path, capsys):
    for name in ("1.png", "2.png"):
        RGB.save(tmp_path / name)
    for name in ("notes.txt", "list.csv", "Makefile", "Thumbs.db", ".DS_Store", ".hidden.png"):
        (tmp_path / name).write_bytes(b"0, 1, 2")
    (tmp_path / "nothing").touch()
    (tmp_path / "dead link").symlink_to(tmp_path / "nowhere")
    with contextlib.suppress(OSError):  # some systems have no such names
        Path(tmp_path, os.fsdecode(b"caf\xe9")).touch()
    images = load_folder(tmp_path)
    assert {"notes.txt", "list.csv", "Makefile", "Thumbs.db", "nothing", "dead link"} <= set(
        images.passed_over
    )
    assert images.unreadable == {}
    printed = capsys.readouterr().out
    assert f"{len(images.passed_over)} other files are not pictures: 'Makefile', " in printed
    assert len(printed.splitlines()) == 1
    printed.encode()
