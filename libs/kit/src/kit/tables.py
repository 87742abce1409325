"""The tables of schema `rag`: ingest writes them, rag-api reads them. `migrations` creates them.

A *scope* is what one group of people may read of one collection: (tenant, collection, allow list). Every row
below it carries `scope_id` alone, and row-level security admits the scopes that the caller may read.
"""

from __future__ import annotations

from typing import Final

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata: Final = MetaData(schema="rag")

embedding_models: Final = Table(
    "embedding_models",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("dimensions", Integer, nullable=False),
)

collections: Final = Table(
    "collections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    # The model whose embeddings answer queries. Another model's rows may be growing beside them.
    Column("embedding_model_id", ForeignKey("rag.embedding_models.id")),
)

scopes: Final = Table(
    "scopes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("collection_id", ForeignKey("rag.collections.id"), nullable=False),
    # Sorted entries: tenant, group:NAME, user:NAME.
    Column("allow", ARRAY(Text), nullable=False),
    # What BM25 needs to know about the scope as a whole, kept by ingest in the transaction that changes it.
    Column("chunks", Integer, nullable=False, server_default="0"),
    Column("tokens", BigInteger, nullable=False, server_default="0"),
)

documents: Final = Table(
    "documents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("collection_id", ForeignKey("rag.collections.id"), nullable=False),
    Column("scope_id", ForeignKey("rag.scopes.id"), nullable=False),
    Column("source", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    # SHA-256 of the source's bytes and of everything that decides how they become chunks.
    Column("content_hash", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # What the source calls this version (an ETag), so that it can say "unchanged" without sending it. May be empty.
    Column("fingerprint", Text, nullable=False, server_default=""),
)

segments: Final = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope_id", ForeignKey("rag.scopes.id"), nullable=False),
    Column("chunks", Integer, nullable=False),
)

chunks: Final = Table(
    "chunks",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("document_id", ForeignKey("rag.documents.id", ondelete="CASCADE"), nullable=False),
    Column("scope_id", Integer, nullable=False),
    Column("segment_id", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    # Offsets in characters of documents.text; chunks.text is that slice.
    Column("start_offset", Integer, nullable=False),
    Column("end_offset", Integer, nullable=False),
    # Where the chunk stands in its document: "Leave policy > Parental leave".
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    # Number of search terms, BM25's document length.
    Column("tokens", Integer, nullable=False),
)

embeddings: Final = Table(
    "embeddings",
    metadata,
    Column("chunk_id", ForeignKey("rag.chunks.id", ondelete="CASCADE"), primary_key=True),
    Column("model_id", SmallInteger, primary_key=True),
    Column("scope_id", Integer, nullable=False),
    Column("embedding", HALFVEC, nullable=False),
)

postings: Final = Table(
    "postings",
    metadata,
    Column("scope_id", Integer, primary_key=True),
    Column("term", Text, primary_key=True),
    Column("segment_id", Integer, primary_key=True),
    # Entries of POSTING, one for each chunk of the segment that has the term.
    Column("block", LargeBinary, nullable=False),
)

POSTING: Final = [("chunk", "<i8"), ("frequency", "<u2"), ("length", "<u2")]
"""numpy dtype of a posting: the chunk's id, how often it has the term, its number of terms. 12 bytes."""
