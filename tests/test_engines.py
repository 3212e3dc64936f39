"""FAISS and the vector database find what exact search finds, or say that they do not."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from vae_course.measured import load_benchmark, load_engines, load_study, resampled
from vae_lib import Neighbors, PosteriorIndex, Posteriors
from vae_lib._files import load_tensors, save_tensors
from vae_lib.engines import FaissIndex, MilvusIndex, RecallError, local_client, recall
from vae_lib.engines.faiss_index import KIND, SPREAD
from vae_lib.engines.milvus_index import FIELD, fingerprint
from vae_lib.engines.recall import draws
from vae_lib.lifted import SPARE, Lifting, rerank

ROOT = Path(__file__).parents[1]
HOW = "pymilvus is not installed: `python3 course.py test --all` brings it"


def has_pymilvus() -> bool:
    try:
        import pymilvus  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


# in CI a missing package is a failure, not a reason to pass over its tests
needs_milvus = pytest.mark.skipif(not has_pymilvus() and os.environ.get("CI") != "true", reason=HOW)


class Stub:
    """An engine that returns the exact answer, changed by a function."""

    def __init__(self, index, change):
        self.exact, self.change = index, change

    def search(self, z, k=10):
        found = self.exact.search(z, k)
        return Neighbors(self.change(found.indices), found.scores, "likelihood")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda found: found.flip(1), 1.0),
        (lambda found: torch.cat([found[:, :8], 0 * found[:, 8:]], dim=1), 0.8),
    ],
    ids=["another order", "two of ten missing"],
)
def test_recall_is_the_share_found_in_whatever_order(index, change, expected):
    z = draws(index, 50, seed=0)
    found = index.search(z).indices
    z = z[(found != 0).all(dim=1)]  # the one that stands in for what is missing
    assert recall(Stub(index, change), z) == pytest.approx(expected)


@pytest.fixture(scope="module")
def cells(index) -> FaissIndex:
    return FaissIndex(index.posteriors, cells=200)


# --- FAISS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_candidates_of_the_inner_product_are_reranked_exactly(index, shift):
    posteriors = Posteriors(index.posteriors.mean + shift, index.posteriors.std)
    exact, lifting = PosteriorIndex(posteriors), Lifting(posteriors)
    far = torch.rand(50, 10, generator=torch.Generator().manual_seed(0)) * 10 - 5 + shift
    z = torch.cat([draws(exact, 200, seed=0), far]).double()
    rows = torch.cat([torch.from_numpy(rows) for _, rows in lifting.rows(posteriors, 700)])
    products = lifting.vectors(z) @ rows.T  # float32
    torch.testing.assert_close(products.double(), posteriors.log_prob(z), rtol=1e-4, atol=0.01)
    candidates = products.topk(10 + SPARE).indices
    indices, scores = rerank(exact, z, candidates.flip(1), 10)
    expected = exact.search(z)
    assert indices.equal(expected.indices)
    assert scores.equal(expected.scores)


def test_the_lifted_product_is_the_likelihood(index):
    lifting, z = Lifting(index.posteriors), draws(index, 50, seed=0).double()
    centred = z - lifting.centre
    queries = torch.cat([torch.ones(50, 1), centred.square(), centred], dim=1)
    products = queries @ lifting.garments(index.posteriors).T
    torch.testing.assert_close(products, index.posteriors.log_prob(z), rtol=1e-9, atol=1e-9)
    assert lifting.dimensions == products.new_zeros(0, 21).shape[1]


def test_reranking_prefers_the_lower_index_of_twins_and_searches_where_candidates_miss():
    twins = PosteriorIndex(mean=torch.zeros(9, 2), std=torch.ones(9, 2))
    candidates = torch.tensor([[7, 5, 2, 8], [3, -1, -1, -1]])
    indices, scores = rerank(twins, torch.zeros(2, 2, dtype=torch.float64), candidates, 3)
    assert indices.tolist() == [[2, 5, 7], [0, 1, 2]]
    assert scores.unique().numel() == 1


def test_cells_trade_recall_for_speed_and_tune_chooses(cells):
    z = draws(cells.exact, 300, seed=7)
    cells.nprobe = 1
    few = recall(cells, z)
    reached = cells.tune(draws(cells.exact, 300, seed=8), at_least=0.99)
    assert reached >= 0.99
    assert 1 < cells.nprobe < 200
    assert few < recall(cells, z)
    assert recall(cells, z) > 0.97  # on draws that it was not tuned on
    smallest = cells.nprobe
    cells.nprobe = smallest - 1
    assert recall(cells, draws(cells.exact, 300, seed=8)) < 0.99
    cells.nprobe = 200
    assert recall(cells, z) == 1


def test_scores_from_cells_are_exact_and_one_z_gives_one_row(cells):
    z = draws(cells.exact, 5, seed=3)
    found = cells.search(z)
    scores = cells.exact.posteriors.log_prob(z).gather(1, found.indices)
    assert found.scores.equal(scores)
    single = cells.search(z[0])
    assert single.indices.shape == (10,)
    assert single.indices.equal(found.indices[0])


def test_too_few_found_are_searched_exactly():
    """Two far clusters of three garments: one cell alone cannot give five."""
    mean = torch.tensor([[0.0], [0.1], [0.2], [50.0], [50.1], [50.2]])
    engine = FaissIndex(Posteriors(mean, torch.full((6, 1), 0.3)), cells=2)
    assert engine.nprobe == 1
    assert engine.search([0.0], k=5).indices.tolist() == [0, 1, 2, 3, 4]


def test_the_average_gaussian_of_a_cell(cells):
    averages = cells._averages(cells.cell_of)
    assert averages.mean.shape == (cells.cells, 10)
    member = cells.cell_of == 3
    own = cells.exact.posteriors[member]
    torch.testing.assert_close(averages.mean[3], own.mean.mean(dim=0))
    variance = own.std.square().mean(dim=0) + SPREAD * own.mean.var(dim=0, correction=0)
    torch.testing.assert_close(averages.std[3], variance.sqrt())


def test_a_faiss_index_is_saved_and_loaded(index, tmp_path):
    engine = FaissIndex(index.posteriors[:2000], cells=50)
    engine.nprobe = 7
    engine.save(tmp_path / "faiss.safetensors")
    again = FaissIndex.load(tmp_path / "faiss.safetensors")
    assert again.nprobe == engine.nprobe
    assert repr(again) == repr(engine) == "FaissIndex(2,000 garments, 50 cells, nprobe=7)"
    z = draws(engine.exact, 20, seed=0)
    assert again.search(z).indices.equal(engine.search(z).indices)


def test_other_files_are_refused(index, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        FaissIndex.load(tmp_path / "missing")
    index.save(tmp_path / "posteriors")
    with pytest.raises(ValueError, match="holds vae_lib posteriors; expected vae_lib FAISS index"):
        FaissIndex.load(tmp_path / "posteriors")
    path = FaissIndex(index.posteriors[:100], cells=5).save(tmp_path / "faiss")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="damaged"):
        FaissIndex.load(path)


def test_parts_that_do_not_belong_together_are_refused(index, tmp_path):
    engine = FaissIndex(index.posteriors[:100], cells=5)
    tensors, facts = load_tensors(engine.save(tmp_path / "whole"), KIND)
    others = index.posteriors[:90]
    for parts, message in (
        ({"mean": tensors["mean"]}, "expected mean and std in float32"),
        ({"mean": tensors["mean"], "std": tensors["std"]}, r"int64 \[100\], got torch.int64 \[0\]"),
        (tensors | {"mean": others.mean, "std": others.std}, r"cell_of: expected int64 \[90\]"),
        (tensors | {"cell_of": tensors["cell_of"].int()}, r"got torch.int32 \[100\]"),
        (tensors | {"cell_of": tensors["cell_of"] + 1}, "expected cells from 0 on"),
    ):
        save_tensors(tmp_path / "faiss", KIND, parts, {"nprobe": facts["nprobe"]})
        with pytest.raises(ValueError, match=message):
            FaissIndex.load(tmp_path / "faiss")


def test_bad_arguments_are_named(index, cells):
    few = index.posteriors[:50]
    with pytest.raises(ValueError, match="cells: expected 1 to 50, got 51"):
        FaissIndex(few, cells=51)
    with pytest.raises(ValueError, match="nprobe: expected 1 to"):
        cells.nprobe = 0
    with pytest.raises(ValueError, match="at_least: expected a share"):
        cells.tune(at_least=1.5)
    with pytest.raises(ValueError, match="k: expected 1 to"):
        cells.search([0.0] * 10, k=0)
    with pytest.raises(ValueError, match="posteriors: expected μ and σ whose"):
        FaissIndex(Posteriors(torch.ones(3, 2), torch.full((3, 2), 1e-20)), cells=2)


@pytest.mark.parametrize(
    ("package", "make", "how"),
    [
        ("faiss", lambda few: FaissIndex(few, cells=2), "pip install faiss-cpu"),
        ("pymilvus", MilvusIndex, r"pip install 'pymilvus\[milvus-lite\]'"),
        ("distributed", lambda few: local_client(), "pip install distributed"),
    ],
)
def test_a_missing_package_is_named_with_advice(monkeypatch, index, package, make, how):
    monkeypatch.setitem(sys.modules, package, None)  # imports of it now fail
    with pytest.raises(ModuleNotFoundError, match=how):
        make(index.posteriors[:10])


# --- larger wardrobes, and the benchmark ----------------------------------------------------------


def test_a_resampled_wardrobe_has_the_shape_of_the_real_one(index):
    real = index.posteriors
    larger = resampled(real, 30_000)
    assert len(larger) == 30_000
    assert len(larger.mean.unique(dim=0)) == 30_000
    # a mixture of all posteriors has the means' variance plus the mean σ²
    variance = real.mean.var(dim=0) + real.std.square().mean(dim=0)
    torch.testing.assert_close(larger.mean.var(dim=0), variance, rtol=0.05, atol=0.0)
    torch.testing.assert_close(larger.mean.mean(dim=0), real.mean.mean(dim=0), rtol=0, atol=0.05)
    medians = larger.std.median(dim=0).values / real.std.median(dim=0).values
    assert ((medians - 1).abs() < 0.05).all()
    assert resampled(real, 100).mean.equal(resampled(real, 100).mean)


def test_resampled_std_differs_as_much_as_between_neighbours(generator):
    """In pairs, log σ being noise of variance v: the two differ by 2 v, the copies get v more."""
    mean = 100.0 * torch.arange(1500).repeat(2)[:, None].expand(3000, 2)
    log_std = 0.1 * torch.randn(3000, 2, generator=generator)
    larger = resampled(Posteriors(mean, log_std.exp()), 30_000)
    torch.testing.assert_close(
        larger.std.log().var(dim=0), 2 * log_std.var(dim=0), rtol=0.1, atol=0.0
    )


def test_the_stored_benchmark_holds_what_notebook_06_reads():
    bench = load_benchmark()
    for row in bench["search"]:
        for clock, ratios in row["to_faiss_l2"].items():
            spent = row["milliseconds"][clock]
            ratio = spent["likelihood"] / spent["faiss L2"]
            assert ratios["likelihood"] == pytest.approx(ratio, rel=0.02, abs=2e-3)
    sizes = {row["garments"] for row in bench["search"]}
    assert sizes == {60_000, 1_000_000, 10_000_000}
    assert {"cells", "training", "slider", "growth", "machine", "first search"} <= set(bench)
    assert 0.9 < bench["cells"]["recall_at_10_near"] <= 1


def test_the_stored_measurements_of_engines_support_notebook_06():
    engines = load_engines()
    alone, batch = engines["Dask"]["one z"], engines["Dask"]["batch"]
    assert alone["Dask, two workers"] > 2 * alone["one process"]
    assert batch["Dask, two workers"] < 2 * batch["one process"]
    server = engines["Milvus"]
    assert server["one z"]["FLAT, Session"] < 2 * server["one z"]["bare pymilvus"]
    assert server["recall at 10"] == {"near": 1, "far": 1}


def test_two_processes_reached_the_elbo_of_one_within_the_spread_of_its_seeds():
    found = load_engines()["training"]
    seeds = load_study()["fashion-mnist", "free bits 0.5", "negative ELBO"].seeds
    assert found["processes"] == 2
    assert min(seeds) <= round(found["negative ELBO"], 1) <= max(seeds)


def test_a_missing_benchmark_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"course.py bench` makes it"):
        load_benchmark(tmp_path / "none.json")


def test_the_pages_show_the_tables_of_the_stored_benchmark():
    from vae_course.quality import bench

    found = load_benchmark()
    for page in (bench.README, bench.PAGE):
        text = page.read_text(encoding="utf-8")
        assert bench.filled(text, found) == text
    blocks = bench.blocks_of(found)
    assert blocks["benchmark"] in bench.README.read_text(encoding="utf-8")
    assert blocks["benchmark, CPU time"] in bench.PAGE.read_text(encoding="utf-8")
    assert len(blocks["benchmark"].splitlines()) == 6


# --- Milvus, embedded -----------------------------------------------------------------------------


@pytest.fixture
def few(index) -> Posteriors:
    return index.posteriors[:3000]


@needs_milvus
@pytest.mark.slow
def test_milvus_finds_what_exact_search_finds(few, tmp_path):
    engines = []
    for kind in ("FLAT", "IVF_FLAT"):
        path = tmp_path / "new" / f"{kind}.db"
        engine = MilvusIndex(few, path, kind=kind, cells=np.int64(32), nprobe=np.int64(32))
        assert engine.insert(progress=False) == 3000
        assert engine.verify_recall(k=10, at_least=0.999) >= 0.999
        z = draws(engine.exact, 20, seed=5)
        found, expected = engine.search(z), engine.exact.search(z)
        assert found.indices.equal(expected.indices)
        assert found.scores.equal(expected.scores)
        assert engine.search(torch.zeros(0, 10)).indices.shape == (0, 10)
        engines.append(engine)
    time.sleep(20)  # an index that is rebuilt in the background may be worse than the first one
    for engine in engines:
        assert engine.verify_recall(k=10, at_least=0.999) >= 0.999
        engine.close()


@needs_milvus
@pytest.mark.slow
def test_inserting_twice_changes_nothing_and_opens_again(few, tmp_path, monkeypatch):
    engine = MilvusIndex(few, tmp_path / "wardrobe.db")
    assert engine.insert(progress=False) == 3000
    assert engine.insert(progress=False) == 0
    assert len(engine) == 3000
    engine.close()
    again = MilvusIndex(few, tmp_path / "wardrobe.db")
    assert again.insert(progress=False) == 0
    assert again.verify_recall() > 0.99
    assert again.verify_recall(k=3, z=draws(again.exact, 5, seed=1)) > 0.99
    monkeypatch.setattr("vae_lib.engines.milvus_index.LARGEST_ANSWER", 100)
    with pytest.raises(ValueError, match="k: expected up to 92, got 93"):
        again.search([0.0] * 10, k=93)
    with pytest.raises(ValueError, match="is FLAT, not IVF_FLAT"):
        MilvusIndex(few, tmp_path / "wardrobe.db", kind="IVF_FLAT")
    other = MilvusIndex(few[:100], tmp_path / "wardrobe.db")  # other garments, the same file
    assert len(other) == 0
    other.drop()
    again.close()


@needs_milvus
@pytest.mark.slow
def test_an_insert_that_was_killed_goes_on(few, tmp_path):
    """SIGKILL while batches are written; then the same call in another process."""
    few.save(tmp_path / "posteriors")
    code = (
        "import sys; from vae_lib import Posteriors; from vae_lib.engines import MilvusIndex\n"
        "engine = MilvusIndex(Posteriors.load(sys.argv[1]), sys.argv[2])\n"
        "original = engine.client.upsert\n"
        "def upsert(*arguments):\n"
        "    original(*arguments)\n"
        "    print('batch', flush=True)\n"
        "engine.client.upsert = upsert\n"
        "engine.insert(batch=50, progress=False)\n"
        "print('finished', flush=True)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "posteriors", tmp_path / "wardrobe.db"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(12):
            assert process.stdout.readline() == "batch\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    engine = MilvusIndex(few, tmp_path / "wardrobe.db")
    before = len(engine)
    assert 0 < before < 3000
    with pytest.raises(RecallError, match=f"holds {before} of 3000 garments"):
        engine.verify_recall()
    assert 3000 - before <= engine.insert(batch=50, progress=False) <= 3000 - before + 50
    assert len(engine) == 3000
    assert engine.verify_recall(at_least=0.999) >= 0.999
    engine.close()


@needs_milvus
@pytest.mark.slow
def test_a_half_written_index_is_built_again(few, tmp_path):
    """The embedded database writes it in place: a process killed meanwhile leaves a part of it."""
    path = tmp_path / "wardrobe.db"
    with contextlib.closing(MilvusIndex(few, path)) as engine:
        engine.insert(progress=False)
    MilvusIndex(few, path).close()  # which writes the index
    half_written = list(path.rglob("indexes/*"))
    assert half_written
    for file in half_written:
        file.write_bytes(file.read_bytes()[:50])
    with contextlib.closing(MilvusIndex(few, path)) as engine:
        assert engine.verify_recall(at_least=0.999) >= 0.999
        engine.client.release_collection(engine.collection)
        engine.client.drop_index(engine.collection, FIELD)  # and killed here, before the new one
    with contextlib.closing(MilvusIndex(few, path)) as engine:
        assert engine.client.describe_index(engine.collection, FIELD)["index_type"] == "FLAT"
        assert engine.verify_recall(at_least=0.999) >= 0.999


@needs_milvus
@pytest.mark.slow
def test_a_collection_with_other_contents_is_detected(few, tmp_path):
    """What a bad index looks like from outside: all garments are there, and are not found."""
    engine = MilvusIndex(few, tmp_path / "wardrobe.db")
    moved = few.mean + 1
    engine.lifting = Lifting(Posteriors(moved, few.std))
    engine.lifting.centre -= 2
    engine.insert(progress=False)
    engine.lifting = Lifting(few)
    with pytest.raises(RecallError, match=r"recall@10 of garments_\w+ is 0.\d+, and has to be"):
        engine.verify_recall()
    engine.close()


@needs_milvus
@pytest.mark.slow
def test_waiting_ends_if_the_index_does_not_grow_and_goes_on_later(few, tmp_path, monkeypatch):
    pending = iter([3000, 1000, 1000, 1000, 1000])
    with contextlib.closing(MilvusIndex(few, tmp_path / "wardrobe.db")) as engine:
        describe = engine.client.describe_index

        def stalled(*arguments):
            return describe(*arguments) | {"pending_index_rows": next(pending, 0)}

        monkeypatch.setattr(engine.client, "describe_index", stalled)
        monkeypatch.setattr("vae_lib.engines.milvus_index.PATIENCE", 0.3)
        with pytest.raises(TimeoutError, match=r"none of the last 1000 garments .* insert.. again"):
            engine.insert(progress=False)
        pending = iter([500, 200])
        assert engine.insert(progress=False) == 0
        assert next(pending, None) is None, "the second call waits for the index, too"
        assert engine.verify_recall(at_least=0.999) >= 0.999


@needs_milvus
@pytest.mark.slow
def test_if_the_cells_hold_too_few_garments_all_cells_are_searched(few, tmp_path):
    with contextlib.closing(
        MilvusIndex(few, tmp_path / "wardrobe.db", kind="IVF_FLAT", cells=32, nprobe=1)
    ) as engine:
        engine.insert(progress=False)
        z = draws(engine.exact, 2, seed=5)
        assert engine.search(z, 2000).indices.equal(engine.exact.search(z, 2000).indices)
        with pytest.raises(ValueError, match="k: expected 1 to 3000"):
            engine.search(z, 3001)
        engine.client.delete(engine.collection, filter="id < 100")
        with pytest.raises(RecallError, match="holds 2900 of 3000 garments"):
            engine.search(z, 2995)


def test_only_a_server_can_be_opened_without_posteriors(tmp_path):
    with pytest.raises(ValueError, match=r"uri: expected a server's, .+ got '.+wardrobe.db'"):
        MilvusIndex.open(tmp_path / "wardrobe.db", "garments")


def test_merging_an_answer_with_bounds_gives_bounds():
    exact, bound = (
        Neighbors(
            torch.tensor([n]),
            torch.tensor([-1.0]),
            "likelihood",
            lambda: torch.zeros(()),
            is_bound=n > 0,
        )
        for n in (0, 1)
    )
    assert Neighbors.merge([exact, bound], 1).is_bound
    assert not Neighbors.merge([exact, exact], 1).is_bound


def test_another_consistency_is_refused(few):
    with pytest.raises(
        ValueError, match="consistency: expected one of 'Strong', 'Session', 'Bounded'"
    ):
        MilvusIndex(few, consistency="Eventually")


def test_other_garments_have_another_fingerprint(few):
    others = [few, Posteriors(few.mean + 1, few.std), Posteriors(few.mean, 2 * few.std), few[:-1]]
    assert len({fingerprint(each) for each in others}) == len(others)
    assert fingerprint(few[:]) == fingerprint(few)


@pytest.mark.parametrize("kind", ["HNSW", "flat"])
def test_no_graph_index_is_offered(few, kind):
    with pytest.raises(ValueError, match="kind: expected one of 'FLAT', 'IVF_FLAT'"):
        MilvusIndex(few, kind=kind)
