"""The embedding models that the index knows, by name."""

from __future__ import annotations

from typing import Any

from kit.errors import Conflict

_KNOWN = "SELECT id, dimensions FROM rag.embedding_models WHERE name = $1"
_ADD = "INSERT INTO rag.embedding_models (name, dimensions) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"


class ModelChangedDimensions(Conflict):
    """A model of this name gave vectors of another length before."""

    code = "model_changed_dimensions"


async def model_id(connection: Any, name: str, dimensions: int) -> int:
    """Return the model's number; a new model gets one. Errors: ModelChangedDimensions."""
    row = await connection.fetchrow(_KNOWN, name)
    if row is None:
        await connection.execute(_ADD, name, dimensions)
        row = await connection.fetchrow(_KNOWN, name)
    if row["dimensions"] != dimensions:
        raise ModelChangedDimensions(
            f"{name} gives vectors of {dimensions} numbers now and gave {row['dimensions']} before, so it is another"
            " model. Serve it under another name and set EMBEDDING_MODEL."
        )
    return int(row["id"])
