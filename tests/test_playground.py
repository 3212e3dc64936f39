"""The playground: a static page that computes what vae_lib computes, in a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vae_course import ROOT
from vae_course.publish.playground.build import PAGE, remove_link, server
from vae_course.publish.playground.export import GARMENTS, on_one_sheet
from vae_lib import PosteriorIndex, encode_dataset, gated_search, load_pretrained, roundtrip

DIMS = [10, 2]
QUERIES = 200
K = 10
RULES = ["likelihood", "euclidean", "scaled-euclidean", "mahalanobis", "student-t"]
# computes in the page, with the page's own modules, and returns what it found
COMPUTE = """
async ({ latentDim, zs, rules, k }) => {
  const [{ Files }, { ask, ROW_RULES }, { decode, encode, roundTrip }] = await Promise.all(
    ["files", "answer", "network"].map((name) => import(`./js/${name}.js`)));
  const files = new Files("./data/");
  const entry = (await files.manifest()).models[latentDim];
  const model = {
    posteriors: await files.posteriors(entry),
    decoder: await files.layers(entry.parts.decoder),
    encoder: await files.layers(entry.parts.encoder),
    familiarBelow: entry.familiar_below,
  };
  return zs.map((z) => {
    const { rows, familiar, mahalanobis2 } = ask(model, z, ROW_RULES, k);
    return {
      familiar, mahalanobis2,
      pixels: Array.from(decode(model.decoder, z)),
      returned: roundTrip(model.decoder, model.encoder, z),
      posterior: encode(model.encoder, decode(model.decoder, z)),
      rows: Object.fromEntries(rows.map(({ rule, garments, scores, probabilities }) =>
        [rule, { garments, scores, probabilities }])),
    };
  });
}
"""


def node(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run node, or skip where there is none."""
    if shutil.which("node") is None:
        pytest.skip("node was not found; Node.js 20 or newer runs the playground's own tests")
    return subprocess.run(["node", *arguments], cwd=cwd, capture_output=True, text=True)


def test_its_modules_pass_their_own_tests():
    files = sorted(map(str, (ROOT / "tests" / "playground").glob("*.test.mjs")))
    result = node("--test", *files)
    assert result.returncode == 0, result.stdout + result.stderr


def test_pictures_lie_side_by_side_on_a_sheet():
    pictures = np.arange(27, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    sheet = on_one_sheet(pictures)
    assert sheet.shape == (56, 25 * 28)
    assert sheet[0, ::28].tolist() == list(range(25))
    assert sheet[28, ::28].tolist() == [25, 26] + [0] * 23


def test_only_the_site_has_a_front_page_to_link_to(tmp_path):
    page = tmp_path / "index.html"
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    assert text.count("../index.html") == 1
    page.write_text(text, encoding="utf-8")
    remove_link(page)
    alone = page.read_text(encoding="utf-8")
    assert "../index.html" not in alone
    assert "Part of the course Which garments are nearest to z?" in alone


def test_the_command_serves_to_this_machine_only(tmp_path):
    serving = server(tmp_path, port=0)
    assert serving.server_address[0] == "127.0.0.1"
    serving.server_close()


@pytest.fixture(scope="module")
def manifest(playground_folder):
    return json.loads((playground_folder / "data" / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_all_of_it_is_at_most_8_megabytes_and_only_what_a_page_needs(playground_folder):
    files = [file for file in playground_folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 8e6
    kinds = {".html", ".css", ".js", ".json", ".bin", ".webp", ".svg"}
    assert {file.suffix for file in files} <= kinds
    assert not {"package.json", "tsconfig.json"} & {file.name for file in files}


@pytest.mark.slow
def test_the_sheets_hold_every_garment_without_loss(playground_folder, manifest, drawn):
    labels = drawn.train_labels[:GARMENTS].numpy()
    order = iter(np.argsort(labels, kind="stable"))
    for sheet in manifest["sheets"]:
        pixels = np.asarray(Image.open(playground_folder / "data" / sheet["file"]).convert("L"))
        for place in range(sheet["garments"]):
            row, column = divmod(place, sheet["columns"])
            cell = pixels[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
            assert np.array_equal(cell.T, drawn.train_images[next(order), 0].numpy())
    assert next(order, None) is None


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", DIMS)
def test_its_presets_keep_their_promise(manifest, playground_models, latent_dim):
    index = playground_models[latent_dim].index
    presets = {each["id"]: each["z"] for each in manifest["models"][str(latent_dim)]["presets"]}
    disagree, far = presets["disagree"], presets["far"]
    by_rule = [set(index.search(disagree, K, rule).indices.tolist()) for rule in RULES[:2]]
    assert index.is_familiar(disagree)
    assert len(set.intersection(*by_rule)) <= 1
    assert not index.is_familiar(far)
    assert index.search(far, 1).probabilities[0] >= 0.999


def queries(page, latent_dim: int) -> torch.Tensor:
    """Return z near and far: from garments' posteriors, from the prior, and uniform in ±5."""
    generator = torch.Generator().manual_seed(5)
    third = QUERIES // 3
    posteriors = page.index.posteriors
    some = torch.randperm(len(posteriors), generator=generator)[:third]
    eps = torch.randn(third, latent_dim, generator=generator)
    near = posteriors.mean[some] + posteriors.std[some] * eps
    prior = torch.randn(third, latent_dim, generator=generator)
    uniform = 10 * torch.rand(QUERIES - 2 * third, latent_dim, generator=generator) - 5
    return torch.cat([near, prior, uniform])


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", DIMS)
def test_sixteen_bits_are_enough(playground_models, drawn, latent_dim, record_property):
    """With the shipped weights in float32, pictures and rows are nearly the same."""
    page, vae = playground_models[latent_dim], load_pretrained("drawn", latent_dim)
    index = PosteriorIndex(encode_dataset(vae, drawn.train_images[:GARMENTS]))
    z = queries(page, latent_dim)
    difference = (page.vae.decode(z) - vae.decode(z)).abs().max().item()
    assert difference <= 1 / 255
    notes = [f"d = {latent_dim}: pictures differ by at most {255 * difference:.2f} grey levels"]
    for rule in RULES:
        first, second = (each.search(z, K, rule).indices for each in (page.index, index))
        kept = (first[:, :, None] == second[:, None, :]).any(dim=2).double().mean().item()
        assert kept >= 0.99, rule
        notes.append(f"{rule} keeps {100 * kept:.2f} % of the first ten")
    record_property("note", "; ".join(notes))


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", DIMS)
def test_it_computes_what_vae_lib_computes(
    chromium, playground_address, playground_models, latent_dim
):
    """Pictures within 1/255, scores to four digits, the same ten garments for every z and rule."""
    model = playground_models[latent_dim]
    z = queries(model, latent_dim)
    page = chromium.new_page()
    page.goto(playground_address)
    arguments = {"latentDim": latent_dim, "zs": z.tolist(), "rules": RULES, "k": K}
    found = page.evaluate(COMPUTE, arguments)
    page.close()

    pixels = torch.tensor([each["pixels"] for each in found])
    assert (pixels - model.vae.decode(z).flatten(1)).abs().max() <= 1 / 255
    back = torch.tensor([each["returned"] for each in found], dtype=torch.float64)
    torch.testing.assert_close(back.float(), roundtrip(model.vae, z), rtol=1e-3, atol=1e-4)
    q = model.vae.encode(model.vae.decode(z))
    std = torch.tensor([each["posterior"]["std"] for each in found])
    torch.testing.assert_close(std, q.stddev, rtol=1e-3, atol=1e-5)

    expected = {rule: model.index.search(z, K, rule) for rule in RULES}
    # the round trip in float64 and in float32 end a hair apart, so rows are compared at its end
    expected["round trip"] = model.index.search(back, K)
    familiar = gated_search(model.vae, model.index, z, K).familiar
    assert [each["familiar"] for each in found] == familiar.tolist()
    expected["gate"] = model.index.search(torch.where(familiar[:, None], z.double(), back), K)
    for rule, neighbors in expected.items():
        rows = [each["rows"][rule] for each in found]
        assert [row["garments"] for row in rows] == neighbors.indices.tolist(), rule
        computed = torch.tensor([row["scores"] for row in rows], dtype=torch.float64)
        torch.testing.assert_close(computed, neighbors.scores, rtol=1e-5, atol=1e-6)
        if neighbors.probabilities is not None:
            shown = torch.tensor([row["probabilities"] for row in rows], dtype=torch.float64)
            torch.testing.assert_close(shown, neighbors.probabilities, rtol=1e-4, atol=1e-9)
