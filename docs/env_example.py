"""Writes .env.example from the settings classes: `make env-example`. A test fails while the two differ."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import ingest.settings
import kit.settings
import model_server.settings
import rag_api.settings

PATH = Path(__file__).parents[1] / ".env.example"

HEAD = """
Every variable that Slipway reads, with its default. Copy what you change to `.env` beside this file:
the command `slipway` reads it there, and the environment wins over it. A container has no `.env`:
it gets the same variables from its manifest. Written by `make env-example`.
"""

SHARED: tuple[type[BaseSettings], ...] = (
    kit.settings.ModelSettings,
    kit.settings.EmbeddingSettings,
    kit.settings.AuthSettings,
    kit.settings.LogSettings,
)
DEPLOYABLES: dict[str, type[BaseSettings]] = {
    "rag-api": rag_api.settings.Settings,
    "ingest": ingest.settings.Settings,
    "model-server": model_server.settings.Settings,
}

# Read by the command or by make, not by a settings class: (name, default, meaning).
LAPTOP = [
    ("SLIPWAY_HOME", ".slipway", "Where data, logs and keys are kept; relative to the checkout."),
    ("POSTGRES_PORT", "15432", "Port of the embedded Postgres."),
    ("VALKEY_PORT", "16379", "Port of the embedded Valkey."),
    (
        "SLIPWAY_PYTHON",
        "",
        "The interpreter that `make` builds .venv with, if not the first one on the PATH.",
    ),
]
SERVERS = [
    (
        "DATABASE_URL",
        "",
        "Postgres with pgvector in place of the embedded one: postgresql://owner:password@host:5432/database. The "
        "owner creates the tables and a role for each service; a service itself gets its own role's URL.",
    ),
    (
        "DATABASE_ROLE_SECRET",
        "",
        "What the passwords of the services' roles are derived from. Unset: the owner's password.",
    ),
    ("REDIS_URL", "", "Valkey or Redis in place of the embedded one: redis://:password@host:6379/0"),
    ("RAG_API_URL", "", "A rag-api that runs elsewhere: `slipway up` starts none, `slipway ask` asks it."),
]
DOWNLOADS = [
    ("HF_ENDPOINT", "https://huggingface.co", "Where `slipway model use hf:…` finds models."),
    ("HF_TOKEN", "", "Opens gated repositories there."),
    ("OLLAMA_HOST", "http://127.0.0.1:11434", "Where `slipway model list` looks for Ollama."),
]

Row = tuple[str, str, str]


def render() -> str:
    """Return the file's text."""
    text = _comment(HEAD.replace("\n", " ").strip())
    text += _section("On a laptop: the command `slipway`", LAPTOP)
    text += _section("Real servers in place of embedded ones", SERVERS)
    text += _section("Models on Hugging Face and Ollama", DOWNLOADS)
    shared = [row for settings in SHARED for row in rows(settings)]
    text += _section(
        "Read by every part that needs it (a *_BASE_URL that is set is not started here)", shared
    )
    known = {name for name, _, _ in [*LAPTOP, *SERVERS, *DOWNLOADS, *shared]}
    for deployable, settings in DEPLOYABLES.items():
        text += _section(deployable, [row for row in rows(settings) if row[0] not in known])
    return text


def rows(settings: type[BaseSettings]) -> Iterator[Row]:
    """Yield (variable, default, meaning) for each field."""
    prefix = settings.model_config["env_prefix"]
    for name, field in settings.model_fields.items():
        yield (
            str(field.validation_alias or f"{prefix}{name}".upper()),
            _default(field),
            field.description or "",
        )


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required() or value is None:
        return ""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _section(title: str, entries: list[Row]) -> str:
    text = f"\n\n# ---- {title} ----\n"
    for name, default, meaning in entries:
        text += f"\n{_comment(meaning)}" if meaning else "\n"
        text += f"# {name}={default}\n"
    return text


def _comment(text: str) -> str:
    return "".join(f"## {line}\n" for line in textwrap.wrap(" ".join(text.split()), 107))


if __name__ == "__main__":
    PATH.write_text(render())
