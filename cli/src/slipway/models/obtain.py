"""From what the user asked for to a model that can be asked."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from model_server.gguf import NotGguf, read_metadata
from slipway.config import Config
from slipway.errors import SlipwayError
from slipway.models import names
from slipway.models.checks import Endpoint
from slipway.models.choice import BUNDLED, Choice
from slipway.models.download import download, verify
from slipway.models.huggingface import RemoteFile, resolve
from slipway.models.inventory import ollama_url
from slipway.models.temporary import serve

KEY_FILE = "secrets/model-api-key"
"""In Slipway's home."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about a model."""

    name: str
    base_url: str
    model: str
    api_key_env: str
    ask_api_key: bool
    sha256: str
    bytes_max: int

    @property
    def names_a_model(self) -> bool:
        return bool(self.name or self.base_url or self.model)


def obtain(config: Config, options: Options) -> tuple[Choice, str]:
    """Return the choice, downloaded if need be, and its key (empty for none).

    Errors: SlipwayError.
    """
    if options.base_url or options.model:
        return _remote(config, options)
    if not options.name:
        raise SlipwayError(
            "Name a model, or give --base-url and --model. `slipway model use --help` lists the forms."
        )
    match names.parse(options.name):
        case names.Bundled():
            return BUNDLED, ""
        case names.Ollama(model):
            return Choice("remote", model, base_url=ollama_url(config)), ""
        case names.LocalFile(path):
            verify(path)
            return _gguf(path), ""
        case names.Url(url):
            return _gguf(_download(config, RemoteFile(url, options.sha256), options.bytes_max)), ""
        case names.HuggingFace() as name:
            file = resolve(name, config.variables)
            return _gguf(_download(config, file, options.bytes_max)), ""


@contextmanager
def served(config: Config, choice: Choice, key: str) -> Iterator[Endpoint]:
    """Give a place to ask the model: its own endpoint, or a model server for as long as it is needed."""
    if choice.kind == "remote":
        yield Endpoint(choice.base_url, choice.model, key)
        return
    with serve(config, choice) as endpoint:
        yield endpoint


def _remote(config: Config, options: Options) -> tuple[Choice, str]:
    if options.name or not (options.base_url and options.model):
        raise SlipwayError("An endpoint needs both --base-url and --model, and no MODEL beside them.")
    url = urlsplit(options.base_url)
    if url.scheme not in {"http", "https"} or not url.hostname or url.password:
        raise SlipwayError(
            "--base-url must be like https://host/v1; a key goes into --api-key-env or --ask-api-key."
        )
    key, key_file = "", ""
    if options.api_key_env:
        key = config.get(options.api_key_env)
        if not key:
            raise SlipwayError(f"The variable {options.api_key_env} is not set, neither here nor in .env.")
    elif options.ask_api_key:
        key, key_file = getpass.getpass("API key: ").strip(), KEY_FILE
    choice = Choice(
        "remote",
        options.model,
        base_url=options.base_url.rstrip("/"),
        api_key_env=options.api_key_env,
        api_key_file=key_file,
    )
    return choice, key


def _gguf(path: Path) -> Choice:
    try:
        metadata = read_metadata(path)
    except (NotGguf, OSError) as error:
        raise SlipwayError(str(error)) from error
    if metadata.get("general.type", "model") != "model" or "tokenizer.chat_template" not in metadata:
        raise SlipwayError(
            f"{path.name} is no chat model: it has no chat template. Look for an “instruct” version."
        )
    return Choice("gguf", path.stem.lower(), path=str(path))


def _download(config: Config, file: RemoteFile, bytes_max: int) -> Path:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(urlsplit(file.url).path.rpartition("/")[2], total=None)
        return download(
            file,
            config.home / "models",
            bytes_max=bytes_max,
            progress=lambda there, total: progress.update(task, completed=there, total=total),
        )
