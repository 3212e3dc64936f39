"""`MilvusIndex`: the garments in a vector database, embedded in this process or on a server."""

import hashlib
import json
import math
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vae_lib._checks import require_int, require_one_of
from vae_lib.engines.optional import import_optional
from vae_lib.engines.recall import RecallError, draws, recall
from vae_lib.lifted import SPARE, Lifting, rank
from vae_lib.posteriors import Posteriors, as_queries, is_single
from vae_lib.progress import progress_bar
from vae_lib.retrieval import Neighbors, PosteriorIndex

KINDS = ("FLAT", "IVF_FLAT")
CONSISTENCY = ("Strong", "Session", "Bounded")
LARGEST_ANSWER = 16_384  # the largest number of garments that Milvus returns for one query
ALL_CELLS = 65_536  # the largest nprobe that Milvus accepts
PATIENCE = 600.0  # seconds to wait for a server whose index does not grow
FIELD, POSTERIOR = "lifted", "posterior"  # the vector, and the 2d numbers of μ and σ


def import_pymilvus() -> Any:
    """Import Milvus's client, or raise a ModuleNotFoundError that says how to install it."""
    # the extra brings the embedded database
    return import_optional("pymilvus", "'pymilvus[milvus-lite]'")


def connect(uri: str | os.PathLike, token: str = "") -> Any:
    """Return a client of the database at `uri`, a file or a server's address.

    Raises:
        ConnectionError: the database cannot be opened; the message says what is wrong.
        ModuleNotFoundError: pymilvus is not installed.
    """
    pymilvus = import_pymilvus()
    uri = os.fspath(uri)
    if "://" not in uri:
        uri = os.path.expanduser(uri)
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
    try:
        return pymilvus.MilvusClient(uri=uri, token=token)
    except pymilvus.MilvusException as error:
        if "://" not in uri:
            raise ConnectionError(
                f"uri: {uri} cannot be opened ({error.message}). A file serves one process at a "
                "time: close the index in the other notebook, or shut its kernel down"
            ) from error
        grpc_error: Any = error.__cause__  # None if the address is malformed
        details = grpc_error.details() if grpc_error else error.message
        wrong = "token" if grpc_error and grpc_error.code().name == "UNAUTHENTICATED" else "uri"
        raise ConnectionError(f"{wrong}: no connection to {uri} ({details})") from error


class MilvusIndex:
    """Search by likelihood in a Milvus collection (Wang et al., Milvus, 2021).

    The collection holds each garment's number, its lifted vector, μ and σ. Milvus finds the largest
    inner products, and the exact formula ranks the garments found. `kind` is the exact index FLAT
    or the cells of IVF_FLAT. A graph index (HNSW) is not offered, because with these inner products
    it finds almost nothing, without an error.

    The collection's name ends with a fingerprint of the posteriors, so that an index never uses a
    collection that was filled from other posteriors.

    Attributes:
        collection: the collection's name, which `open` takes.
        exact: the exact index of the same garments; missing after `open`.
    """

    exact: PosteriorIndex

    def __init__(
        self,
        posteriors: Posteriors,
        uri: str | os.PathLike = "wardrobe.db",
        kind: str = "FLAT",
        cells: int = 1024,
        nprobe: int = 64,
        name: str = "garments",
        token: str = "",
        consistency: str = "Session",
    ):
        """Connect, and create the collection if it is missing; `insert` fills it.

        Args:
            posteriors: the posteriors of all garments.
            uri: a file's path for the database embedded in this process, or a server's address,
                http://host:19530.
            kind: "FLAT" or "IVF_FLAT".
            cells: how many cells "IVF_FLAT" has.
            nprobe: how many cells a query looks into.
            name: what the collection's name begins with.
            token: the user and the password for a server, "user:password".
            consistency: what a search on a server sees. "Session": at least what this process
                inserted; "Bounded": all but the last seconds; "Strong": everything, for which
                each search waits about 200 ms.

        Raises:
            ConnectionError: the database cannot be opened; a file serves one process at a time.
            ModuleNotFoundError: pymilvus is not installed.
            ValueError: another kind or consistency, or a collection that was made with another
                kind.
        """
        require_one_of("kind", KINDS, kind)
        self.exact = PosteriorIndex(posteriors)
        self.lifting = Lifting(posteriors)
        self.size = len(posteriors)
        self.kind, self.cells = kind, require_int("cells", cells, least=1)
        self._connect(uri, token, f"{name}_{fingerprint(posteriors)}", nprobe, consistency)
        if not self.client.has_collection(self.collection):
            self._create()
        self._load(repair="://" not in os.fspath(uri))

    @classmethod
    def open(
        cls,
        uri: str | os.PathLike,
        name: str,
        token: str = "",
        nprobe: int = 64,
        consistency: str = "Session",
    ) -> "MilvusIndex":
        """Open a server's collection that another process filled, without its posteriors.

        `search` ranks as usual. Without the posteriors, the `log_normalizer` of an answer is only a
        lower bound, its `probabilities` are upper bounds, and `verify_recall` raises a TypeError.

        Args:
            uri: a server's address; the embedded database does not store the facts needed here.
            name: the `collection` of the index that was filled.
            token, nprobe, consistency: as for a new index.

        Raises:
            ConnectionError: the database cannot be opened.
            ModuleNotFoundError: pymilvus is not installed.
            RecallError: garments are missing in the collection.
            ValueError: the uri is a file's path, or there is no such collection.
        """
        if "://" not in (address := os.fspath(uri)):
            raise ValueError(f"uri: expected a server's, http://host:19530, got {address!r}")
        self = cls.__new__(cls)
        self._connect(uri, token, name, nprobe, consistency)
        if not self.client.has_collection(name):
            found = ", ".join(self.client.list_collections()) or "none"
            raise ValueError(f"name: expected a collection of {uri} ({found}), got {name!r}")
        facts = json.loads(self.client.describe_collection(name)["description"])
        centre = torch.tensor(facts["centre"], dtype=torch.float64, device="cpu")
        self.lifting = Lifting.around(centre)
        self.size, self.kind, self.cells = facts["garments"], facts["kind"], facts["cells"]
        self.client.load_collection(name)
        self._require_all()
        return self

    def _connect(
        self, uri: str | os.PathLike, token: str, name: str, nprobe: int, consistency: str
    ) -> None:
        require_one_of("consistency", CONSISTENCY, consistency)
        self.nprobe = require_int("nprobe", nprobe, least=1)
        self.consistency = consistency
        self.collection = name
        self.client = connect(uri, token)

    def _load(self, repair: bool) -> None:
        """Load the collection, with the required index, into the database's memory.

        repair: whether to build an index again if it cannot be loaded.
        """
        index = self.client.describe_index(self.collection, FIELD)
        if index and index["index_type"] != self.kind:
            found = index["index_type"]
            raise ValueError(f"kind: the collection {self.collection} is {found}, not {self.kind}")
        try:
            self.client.load_collection(self.collection)
        except import_pymilvus().MilvusException:
            if not repair:
                raise
            # a process was killed while it wrote the index; the vectors lie elsewhere
            self.client.release_collection(self.collection)
            self.client.drop_index(self.collection, FIELD)
            index = None
        if not index:
            self.client.create_index(self.collection, self._index())
            self.client.load_collection(self.collection)

    def _index(self) -> Any:
        """Return the parameters of the required index, in Milvus's form."""
        index = self.client.prepare_index_params()
        index.add_index(
            FIELD,
            index_type=self.kind,
            metric_type="IP",
            params={"nlist": self.cells} if self.kind == "IVF_FLAT" else {},
        )
        return index

    def _create(self) -> None:
        """Create the collection under another name, then rename it.

        If the process is killed in between, it leaves a collection whose name no index ever opens.
        """
        from pymilvus import DataType

        facts = {"garments": self.size, "kind": self.kind, "cells": self.cells}
        facts |= {"centre": self.lifting.centre.tolist()}  # `open` reads them
        schema = self.client.create_schema(auto_id=False, description=json.dumps(facts))
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field(FIELD, DataType.FLOAT_VECTOR, dim=self.lifting.dimensions)
        numbers = {"element_type": DataType.FLOAT, "max_capacity": self.lifting.dimensions - 1}
        schema.add_field(POSTERIOR, DataType.ARRAY, **numbers)
        unfinished = f"{self.collection}_{uuid.uuid4().hex}"
        self.client.create_collection(unfinished, schema=schema, index_params=self._index())
        self.client.rename_collection(unfinished, self.collection)

    def __len__(self) -> int:
        """Return how many garments the collection holds."""
        return self._count(0, self.size)

    def _count(self, start: int, stop: int) -> int:
        """Return how many of the garments start, …, stop − 1 the collection holds."""
        (row,) = self.client.query(
            self.collection,
            filter=f"id >= {start} and id < {stop}",
            output_fields=["count(*)"],
            consistency_level="Strong",
        )
        return int(row["count(*)"])

    def _missing(self, start: int, stop: int, batch: int) -> Iterator[slice]:
        """Yield the batches in which garments are missing; one count settles a complete range."""
        there = self._count(start, stop)
        if there == stop - start:
            return
        if there == 0 or stop - start <= batch:
            for first in range(start, stop, batch):
                yield slice(first, min(first + batch, stop))
        else:
            middle = start + -(-(stop - start) // (2 * batch)) * batch
            yield from self._missing(start, middle, batch)
            yield from self._missing(middle, stop, batch)

    def insert(self, batch: int = 5000, progress: bool = True) -> int:
        """Insert the garments that are missing, and wait until they are indexed.

        You can stop it at any time and call it again. It skips batches that are complete, and sends
        the others. No garment is stored twice, because its number is the primary key.

        Args:
            batch: how many garments to send at a time.
            progress: whether to show a progress bar.

        Returns:
            The number of garments sent.

        Raises:
            TimeoutError: the server has not indexed another garment for ten minutes.
            ValueError: float32 cannot hold a garment's lifted vector.
        """
        posteriors, sent = self.exact.posteriors, 0
        with progress_bar(
            description="Inserting", total=self.size, unit="garment", shown=progress
        ) as bar:
            for part in self._missing(0, self.size, batch):
                ((_, rows),) = self.lifting.rows(posteriors[part], batch)
                both = torch.cat([posteriors.mean[part], posteriors.std[part]], dim=1).tolist()
                columns = zip(range(part.start, part.stop), rows, both, strict=True)
                data = [{"id": i, FIELD: row, POSTERIOR: numbers} for i, row, numbers in columns]
                self.client.upsert(self.collection, data)
                sent += len(rows)
                bar.update(part.stop - bar.n)
            bar.update(self.size - bar.n)
        if sent or self._pending():  # the last call may have stopped while it waited
            self._finish()
        return sent

    def _pending(self) -> int:
        """Return how many garments the server has stored but not indexed yet."""
        return self.client.describe_index(self.collection, FIELD).get("pending_index_rows", 0)

    def _finish(self) -> None:
        """Wait for the final index, then load it in place of the interim one."""
        self.client.flush(self.collection)
        fewest, changed = math.inf, time.monotonic()
        while pending := self._pending():
            if pending < fewest:
                fewest, changed = pending, time.monotonic()
            elif time.monotonic() - changed > PATIENCE:
                raise TimeoutError(
                    f"{self.collection}: the server has indexed none of the last {pending} "
                    f"garments for {PATIENCE:.0f} s. All garments are stored: look into the "
                    "server's log, then call insert() again"
                )
            time.sleep(0.2)
        self.client.release_collection(self.collection)
        self.client.load_collection(self.collection)

    def search(self, z: object, k: int = 10) -> Neighbors:
        """Return the k best garments for each z by likelihood; as `PosteriorIndex.search`.

        Args:
            z: [d] or [Q, d].
            k: how many garments to return, from 1 to N, and to 16,376: the database returns no
                longer answers.

        Raises:
            RecallError: the collection, and so the answer, lacks garments.
            TypeError: z does not consist of real numbers, or k is not an integer.
            ValueError: z or k is not valid.
        """
        k = require_int("k", k, 1, self.size)
        wanted = min(k + SPARE, self.size)
        if wanted > LARGEST_ANSWER:
            raise ValueError(f"k: expected up to {LARGEST_ANSWER - SPARE}, got {k}")
        latent_dim = len(self.lifting.centre)
        queries = as_queries(z, latent_dim, self.lifting.centre.device)
        hits = self._hits(queries, wanted)
        numbers = [hit["id"] for row in hits for hit in row]
        candidates = queries.new_tensor(numbers, dtype=torch.int64).view(len(queries), wanted)
        both = queries.new_tensor([hit["entity"][POSTERIOR] for row in hits for hit in row])
        mean, std = both.view(len(queries), wanted, 2 * latent_dim).chunk(2, dim=-1)
        indices, scores = rank(queries, candidates, mean, std, wanted)
        if hasattr(self, "exact"):
            return self.exact._neighbors(z, queries, indices[:, :k], scores[:, :k], "likelihood")
        if is_single(z):
            indices, scores = indices[0], scores[0]
        normalizer = scores.logsumexp(dim=-1)
        indices, scores = indices[..., :k], scores[..., :k]
        return Neighbors(indices, scores, "likelihood", lambda: normalizer, is_bound=True)

    def _hits(self, queries: Float[Tensor, "query latent"], wanted: int) -> list:
        """Return the candidates of each query, in the form that Milvus returns."""
        vectors, probed = self.lifting.vectors(queries).cpu().numpy(), {}
        if self.kind == "IVF_FLAT":
            probed = {"nprobe": self.nprobe}

        def ask(vectors: Any, probed: dict) -> Any:
            return self.client.search(
                self.collection,
                data=vectors,
                anns_field=FIELD,
                limit=wanted,
                output_fields=["id", POSTERIOR],
                search_params={"metric_type": "IP", "params": probed},
                consistency_level=self.consistency,
            )

        hits = list(ask(vectors, probed)) if len(queries) else []  # Milvus refuses an empty batch
        for i, row in enumerate(hits):
            if len(row) < wanted and probed:  # the cells held too few garments: look into all
                (hits[i],) = ask(vectors[i : i + 1], {"nprobe": ALL_CELLS})
            if len(hits[i]) < wanted:
                self._require_all()
        return hits

    def _require_all(self) -> None:
        """Raise a RecallError if garments are missing in the collection."""
        if (there := len(self)) != self.size:
            raise RecallError(
                f"{self.collection} holds {there} of {self.size} garments: call insert() again"
            )

    def verify_recall(
        self,
        k: int = 10,
        at_least: float = 0.99,
        z: torch.Tensor | None = None,
        sample: int = 100,
    ) -> float:
        """Compare a sample of searches with exact ones; return recall@k.

        Call it after building, and again from time to time: an index can go bad later, without an
        error.

        Args:
            k: how many garments of each answer to compare.
            at_least: the recall that is required.
            z: [Q, d], from the source of later queries; by default draws from the posteriors.
            sample: the number of these draws.

        Raises:
            RecallError: the recall is below `at_least`, or garments are missing.
            TypeError: the index was opened without posteriors.
        """
        if not hasattr(self, "exact"):
            raise TypeError(
                "verify_recall compares with exact search, for which this index has no posteriors: "
                "call it where the collection was filled"
            )
        self._require_all()
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
    digest = hashlib.sha256(POSTERIOR.encode())  # another layout of the collection, another name
    for numbers in (posteriors.mean, posteriors.std):
        digest.update(numbers.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
