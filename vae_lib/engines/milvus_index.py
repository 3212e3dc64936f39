"""`MilvusIndex`: the garments in a vector database, embedded in this process or on a cluster."""

import hashlib
import os
import uuid
from pathlib import Path
from typing import Any

import torch

from vae_lib._checks import require_int
from vae_lib.engines.recall import RecallError, draws, recall
from vae_lib.lifted import SPARE, Lifting, rerank
from vae_lib.posteriors import Posteriors, as_queries
from vae_lib.progress import progress_bar
from vae_lib.retrieval import Neighbors, PosteriorIndex

KINDS = ("FLAT", "IVF_FLAT")
LARGEST_ANSWER = 16_384  # what Milvus returns at the most for one query
FIELD = "lifted"


def import_pymilvus() -> Any:
    """Import the client, or raise a ModuleNotFoundError that says how to get it."""
    try:
        import pymilvus
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pymilvus is not installed: run `pip install 'pymilvus[milvus-lite]'`, which brings an "
            "embedded database, too"
        ) from error
    return pymilvus


class MilvusIndex:
    """Search by likelihood in a Milvus collection (Wang et al., Milvus, 2021).

    The collection holds each garment's number and its lifted vector, and finds the largest inner
    products; those are ranked by the exact formula, with the posteriors that stay here. Only the
    exact index, FLAT, and cells, IVF_FLAT, are offered: a graph index (HNSW) silently finds almost
    nothing with these inner products.

    The collection's name ends with a fingerprint of the posteriors, so that what was inserted for
    others is never taken for these.
    """

    def __init__(
        self,
        posteriors: Posteriors,
        uri: str | os.PathLike = "wardrobe.db",
        kind: str = "FLAT",
        cells: int = 1024,
        nprobe: int = 64,
        name: str = "garments",
        token: str = "",
    ):
        """Connect, and make the collection where it is missing; `insert` fills it.

        uri: a file's path for the database embedded in this process, or a cluster's address,
        http://host:19530, with its token. kind: "FLAT" or "IVF_FLAT", with its number of cells and
        how many a query looks into. Raises a ValueError for another kind, and for a collection that
        was made with another; a ConnectionError where the database cannot be opened: a file serves
        one process at a time.
        """
        if kind not in KINDS:
            raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
        pymilvus = import_pymilvus()
        self.exact = PosteriorIndex(posteriors)
        self.lifting = Lifting(posteriors)
        self.kind = kind
        cells = require_int("cells", cells, least=1)
        self.nprobe = require_int("nprobe", nprobe, least=1)
        self.collection = f"{name}_{fingerprint(posteriors)}"
        uri = os.fspath(uri)
        if "://" not in uri:  # pragma: no branch - nothing here runs a cluster
            uri = os.path.expanduser(uri)
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
        try:
            self.client = pymilvus.MilvusClient(uri=uri, token=token)
        except pymilvus.MilvusException as error:
            raise ConnectionError(
                f"uri: {uri} cannot be opened ({error.message}). A file serves one process at a "
                "time: close the index in the other notebook, or shut its kernel down"
            ) from error
        if not self.client.has_collection(self.collection):
            self._create(cells)
        index = self.client.describe_index(self.collection, FIELD)
        if index and index["index_type"] != kind:
            found = index["index_type"]
            raise ValueError(f"kind: the collection {self.collection} is {found}, not {kind}")
        try:
            self.client.load_collection(self.collection)
        except pymilvus.MilvusException:
            if "://" in uri:
                raise
            # a process was killed while it wrote the index; the vectors lie elsewhere
            self.client.release_collection(self.collection)
            self.client.drop_index(self.collection, FIELD)
            index = None
        if not index:
            self.client.create_index(self.collection, self._index_of(cells))
            self.client.load_collection(self.collection)

    def _index_of(self, cells: int) -> Any:
        """Return what kind of index is wanted, in Milvus's words."""
        index = self.client.prepare_index_params()
        index.add_index(
            FIELD,
            index_type=self.kind,
            metric_type="IP",
            params={"nlist": cells} if self.kind == "IVF_FLAT" else {},
        )
        return index

    def _create(self, cells: int) -> None:
        """Make the collection under another name, then rename it.

        A process that is killed in between leaves something unfinished that nobody ever opens.
        """
        from pymilvus import DataType

        unfinished = f"{self.collection}_{uuid.uuid4().hex}"

        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field(FIELD, DataType.FLOAT_VECTOR, dim=self.lifting.dimensions)
        # "Strong": a search sees everything that was inserted before it
        self.client.create_collection(
            unfinished,
            schema=schema,
            index_params=self._index_of(cells),
            consistency_level="Strong",
        )
        self.client.rename_collection(unfinished, self.collection)

    def __len__(self) -> int:
        """Return how many garments the collection holds."""
        return self._count("id >= 0")

    def _count(self, condition: str) -> int:
        (row,) = self.client.query(self.collection, filter=condition, output_fields=["count(*)"])
        return int(row["count(*)"])

    def insert(self, batch: int = 5000, progress: bool = True) -> int:
        """Insert the garments that are missing, in batches; return how many were sent.

        It can be stopped at any time, and called again: a batch that is in the collection is passed
        over, a half of one is sent again, and a garment is never there twice, since its number is
        the primary key. Raises a ValueError where float32 cannot hold a garment's lifted vector.
        """
        posteriors = self.exact.posteriors
        begun = len(self) > 0
        sent = 0
        bar = progress_bar(
            description="Inserting", total=len(posteriors), unit="garment", shown=progress
        )
        with bar:
            for part, rows in self.lifting.rows(posteriors, batch):
                numbers = range(part.start, part.stop)
                there = f"id >= {part.start} and id < {part.stop}"
                if not begun or self._count(there) < len(rows):
                    data = [{"id": i, FIELD: row} for i, row in zip(numbers, rows, strict=True)]
                    self.client.upsert(self.collection, data)
                    sent += len(rows)
                bar.update(len(rows))
        self.client.flush(self.collection)
        return sent

    def search(self, z: object, k: int = 10) -> Neighbors:
        """Return the k best garments for each z by likelihood; as `PosteriorIndex.search`.

        Raises a ValueError for k of more than 16,376: the database returns no longer answers.
        """
        k = self.exact._require_k(k)
        wanted = min(k + SPARE, len(self.exact))
        if wanted > LARGEST_ANSWER:
            raise ValueError(f"k: expected up to {LARGEST_ANSWER - SPARE}, got {k}")
        queries = as_queries(z, self.exact.latent_dim, self.exact.posteriors.mean.device)
        parameters = {"nprobe": self.nprobe} if self.kind == "IVF_FLAT" else {}
        answers = []
        if len(queries):  # the database takes no empty batch
            answers = self.client.search(
                self.collection,
                data=self.lifting.vectors(queries).cpu().numpy(),
                anns_field=FIELD,
                limit=wanted,
                output_fields=["id"],
                search_params={"metric_type": "IP", "params": parameters},
            )
        candidates = torch.full((len(queries), wanted), -1)
        for row, answer in zip(candidates, answers, strict=True):
            found = torch.tensor([hit["id"] for hit in answer], dtype=torch.int64)
            row[: len(found)] = found
        answer = rerank(self.exact, queries, candidates.to(queries.device), k)
        return self.exact._neighbors(z, queries, *answer, "likelihood")

    def verify_recall(
        self,
        k: int = 10,
        at_least: float = 0.99,
        z: torch.Tensor | None = None,
        sample: int = 100,
    ) -> float:
        """Compare a sample of searches with exact ones; return recall@k.

        z: [Q, d], where queries will come from; by default `sample` draws from the posteriors of
        garments. Call it after building, and again from time to time: an index can go bad later,
        without an error. Raises a RecallError where the recall is below `at_least`.
        """
        expected = len(self.exact)
        if len(self) != expected:
            raise RecallError(
                f"{self.collection} holds {len(self)} of {expected} garments: call insert() again"
            )
        z = draws(self.exact, sample, seed=2) if z is None else z
        found = recall(self, z, k)
        if found < at_least:
            raise RecallError(
                f"recall@{k} of {self.collection} is {found:.3f}, and has to be {at_least} or more:"
                " do not serve answers from it; raise nprobe, or build it again as FLAT"
            )
        return found

    def close(self) -> None:
        """Close the connection; an embedded database is then free for another process."""
        self.client.close()

    def drop(self) -> None:
        """Delete the collection."""
        self.client.drop_collection(self.collection)


def fingerprint(posteriors: Posteriors) -> str:
    """Return 16 hexadecimal digits that stand for these μ and σ."""
    digest = hashlib.sha256()
    for numbers in (posteriors.mean, posteriors.std):
        digest.update(numbers.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
