"""Retrieval beside named peers, in one run on one machine: python bench/rag.py [write] [search] [--json]

write    chunks/s of ingest's write stage, and of LlamaIndex's PGVectorStore.add
search   milliseconds at 20,000 chunks, and recall inside a tenant, beside pgvector's defaults
"""

from __future__ import annotations

import argparse
import json

import rag_search
import rag_write

PARTS = {"write": rag_write, "search": rag_search}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all unless named")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    results = {}
    for name in arguments.parts or PARTS:
        results[name] = PARTS[name].run()
        if not arguments.json:
            PARTS[name].show(results[name])
    if arguments.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
