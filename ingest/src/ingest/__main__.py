"""python -m ingest: the command for containers and CronJobs, configured by the environment alone."""

from __future__ import annotations

import os

import typer

from ingest import main


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
    """Make the index equal to its sources."""
    request = main.Request(sources, collection, tenant, allow or ["tenant"], dry_run, remove)
    raise typer.Exit(main.run(request, os.environ, as_json=as_json))


if __name__ == "__main__":
    typer.run(ingest)
