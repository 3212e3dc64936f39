"""The same `search` on other engines: FAISS in memory, and a vector database.

Each of them holds the garments' lifted vectors and looks for the largest inner products; what it
finds is scored again with the exact formula. Extras: `scale` for FAISS, `cluster` for Milvus.
"""

from vae_lib.engines.faiss_index import FaissIndex
from vae_lib.engines.milvus_index import MilvusIndex
from vae_lib.engines.recall import RecallError, recall

__all__ = ["FaissIndex", "MilvusIndex", "RecallError", "recall"]
