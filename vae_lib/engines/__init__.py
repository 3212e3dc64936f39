"""The same `search` on other engines: FAISS, a vector database, and a Dask cluster.

FAISS and Milvus hold the garments' lifted vectors and look for the largest inner products; what
they find is scored again with the exact formula. On a Dask cluster, every worker searches its part
of the garments exactly. Extras: `scale` for FAISS, `cluster` for Milvus and Dask.
"""

from vae_lib.engines.dask_index import DaskIndex, local_client
from vae_lib.engines.faiss_index import FaissIndex
from vae_lib.engines.milvus_index import MilvusIndex
from vae_lib.engines.recall import RecallError, recall

__all__ = ["DaskIndex", "FaissIndex", "MilvusIndex", "RecallError", "local_client", "recall"]
