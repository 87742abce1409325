"""The environment that `make setup` builds can do what forks expect of it."""

from __future__ import annotations

from llama_index.core.node_parser import SentenceSplitter


def test_llama_index_splits_sentences_with_the_data_that_nltk_reads() -> None:
    text = "The tide station has two sensors. One of them is a spare. " * 50
    assert len(SentenceSplitter(chunk_size=30, chunk_overlap=5).split_text(text)) > 10
