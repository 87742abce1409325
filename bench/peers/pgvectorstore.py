# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "llama-index-vector-stores-postgres==0.9.0",
#     "numpy>=2",
#     "psycopg2-binary>=2.9",
# ]
# ///
"""The peer of `bench/rag.py write`: LlamaIndex's PGVectorStore.add, in an environment of its own (it needs
SQLAlchemy < 2.1). Usage: pgvectorstore.py URL FOLDER, with texts.json and vectors.npy in the folder.

Reads a configuration a line (rows, lexical, hnsw), writes a line of JSON for each: {"seconds": …, "cpu_seconds": …}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.vector_stores.postgres import PGVectorStore
from sqlalchemy import create_engine, text

BATCH_CHUNKS = 1_000
CHUNKS_OF_A_DOCUMENT = 4
OPTIONS: dict[str, dict[str, Any]] = {
    "rows": {},
    "lexical": {"hybrid_search": True, "text_search_config": "english"},
    "hnsw": {
        "hnsw_kwargs": {
            "hnsw_m": 16,
            "hnsw_ef_construction": 64,
            "hnsw_ef_search": 40,
            "hnsw_dist_method": "halfvec_cosine_ops",
        }
    },
}


def main(url: str, folder: Path) -> None:
    nodes = _nodes(json.loads((folder / "texts.json").read_text()), np.load(folder / "vectors.npy").tolist())
    for line in sys.stdin:
        print(json.dumps(_measure(url, nodes, OPTIONS[line.strip()])), flush=True)


def _nodes(texts: list[str], vectors: list[list[float]]) -> list[TextNode]:
    return [
        TextNode(
            id_=str(uuid4()),
            text=chunk,
            embedding=vector,
            metadata={"path": f"{index // CHUNKS_OF_A_DOCUMENT}.txt", "title": "A", "heading": "A > B"},
            relationships={
                NodeRelationship.SOURCE: RelatedNodeInfo(node_id=str(index // CHUNKS_OF_A_DOCUMENT))
            },
        )
        for index, (chunk, vector) in enumerate(zip(texts, vectors, strict=True))
    ]


def _measure(url: str, nodes: list[TextNode], options: dict[str, Any]) -> dict[str, float]:
    """Return the time of `add` on the clock and on this processor; creating the table is not counted."""
    parts = urlsplit(url)
    schema = f"peer_{uuid4().hex[:8]}"
    store = PGVectorStore.from_params(
        host=str(parts.hostname),
        port=str(parts.port),
        user=str(parts.username),
        password=str(parts.password),
        database=parts.path.lstrip("/"),
        schema_name=schema,
        table_name="chunks",
        embed_dim=len(nodes[0].embedding or []),
        use_halfvec=True,
        **options,
    )
    store.add(nodes[:1])  # creates what is not there yet
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for start in range(1, len(nodes), BATCH_CHUNKS):
        store.add(nodes[start : start + BATCH_CHUNKS])
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    with create_engine(f"postgresql+psycopg2://{url.partition('://')[2]}").begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
