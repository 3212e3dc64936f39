"""The same `search` on other engines: FAISS, a vector database, and a Dask cluster.

FAISS and Milvus search the garments' lifted vectors for the largest inner products, and the exact
formula ranks the garments found. On a Dask cluster, every worker searches its part of the garments
exactly. FAISS needs the extra `scale`; Milvus and Dask need the extra `cluster`.
"""

from vae_lib.engines.dask_index import DaskIndex, local_client
from vae_lib.engines.faiss_index import FaissIndex
from vae_lib.engines.milvus_index import MilvusIndex
from vae_lib.engines.recall import RecallError, recall

__all__ = ["DaskIndex", "FaissIndex", "MilvusIndex", "RecallError", "local_client", "recall"]
