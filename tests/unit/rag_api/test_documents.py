"""Lists of documents, page by page."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from fakes.answers import FakeDocument, FakeIndex
from rag_api.core.documents import DocumentNotFound, InvalidCursor, list_documents, show_document

from .conftest import ALICE, BANDS, BOB


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_the_pages_together_are_the_list(limit: int) -> None:
    store = FakeIndex([FakeDocument(f"{n % 3}/Ünï {n}.md", "text") for n in range(7)])
    paths: list[str] = []
    after = None
    while True:
        page = await list_documents(store, ALICE, collection=None, after=after, limit=limit)
        assert 0 < len(page.documents) <= limit
        paths += [document.path for document in page.documents]
        after = page.next
        if after is None:
            break
    assert paths == sorted(document.path for document in store.documents)


@pytest.mark.parametrize(
    "cursor", ["x", "ä", "e30=", base64.urlsafe_b64encode(b'["a\\u0000", 1]').decode(), "W10=", "WzEsMl0="]
)
async def test_a_cursor_that_we_did_not_make_is_refused(index: FakeIndex, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await list_documents(index, ALICE, collection=None, after=cursor, limit=5)


async def test_a_document_that_one_may_not_read_looks_like_one_that_is_not_there(index: FakeIndex) -> None:
    assert (await show_document(index, BOB, BANDS.ref.id)).text == BANDS.text
    errors = []
    for document_id in (BANDS.ref.id, UUID(int=5)):
        with pytest.raises(DocumentNotFound) as caught:
            await show_document(index, ALICE, document_id)
        errors.append(caught.value.problem())
    assert errors[0] == errors[1]
