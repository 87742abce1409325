"""slipway ingest"""

from __future__ import annotations

import typer

from ingest import main
from slipway.config import load_config
from slipway.environment import environment

USES = ("DATABASE_URL", "EMBEDDING_BASE_URL", "EMBEDDING_MODEL", "EMBEDDING_API_KEY")


def ingest(
    sources: main.Sources,
    *,
    collection: main.CollectionOption = "default",
    tenant: main.Tenant = "acme",
    allow: main.Allow = None,
    remove: main.Remove = False,
    dry_run: main.DryRun = False,
    as_json: main.Json = False,
) -> None:
    """Make the index equal to its sources: new, changed and deleted documents are all followed.

    Exit code 0: all went well. 1: something that it needs is down. 2: the request or a source is wrong, and nothing
    was changed. 3: some documents could not be read; the rest is done. 130: stopped by Ctrl-C.
    """
    request = main.Request(sources, collection, tenant, allow or ["tenant"], dry_run, remove)
    variables = environment(load_config(), USES, role="slipway_ingest")
    raise typer.Exit(main.run(request, variables, as_json=as_json))
