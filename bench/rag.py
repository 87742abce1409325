"""Retrieval beside named peers, in one run on one machine: python bench/rag.py [write] [search]

write    chunks/s of ingest's write stage, and of LlamaIndex's PGVectorStore.add
"""

from __future__ import annotations

import argparse
import importlib

PARTS = {"write": "rag_write"}
"""Name → module beside this file with a function `main()`."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all unless named")
    for part in parser.parse_args().parts or PARTS:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}")
        importlib.import_module(PARTS[part]).main()


if __name__ == "__main__":
    main()
