"""List and show the documents that the caller may read."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Protocol
from uuid import UUID

from kit.contracts.documents import DocumentDetail, DocumentList, DocumentSummary
from kit.errors import NotFound, Unprocessable
from kit.principal import Principal

Position = tuple[str, UUID]
"""Where a page ended: the last document's path and id. Documents are listed in this order."""


class DocumentNotFound(NotFound):
    """There is none, or none that the caller may read: the two must look alike."""

    code = "document_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such document, or you may not read it.")


class InvalidCursor(Unprocessable):
    code = "invalid_cursor"


class DocumentStore(Protocol):
    """The documents of one principal's view."""

    async def page(
        self, principal: Principal, *, collection: str | None, after: Position | None, limit: int
    ) -> list[DocumentSummary]:
        """Return up to `limit` documents behind `after`, ordered by path and id.

        Errors: CollectionNotFound, DatabaseUnavailable.
        """

    async def get(self, principal: Principal, document_id: UUID) -> DocumentDetail | None:
        """Return a document with its text, None if the principal sees none. Errors: DatabaseUnavailable."""


async def list_documents(
    store: DocumentStore, principal: Principal, *, collection: str | None, after: str | None, limit: int
) -> DocumentList:
    """Return one page; its `next` is the cursor of the following one, None at the end.

    Errors: InvalidCursor, CollectionNotFound, DatabaseUnavailable.
    """
    position = _decode(after) if after else None
    found = await store.page(principal, collection=collection, after=position, limit=limit + 1)
    page = found[:limit]
    more = len(found) > limit
    return DocumentList(documents=page, next=_encode(page[-1].path, page[-1].id) if more else None)


async def show_document(store: DocumentStore, principal: Principal, document_id: UUID) -> DocumentDetail:
    """Return a document with its text. Errors: DocumentNotFound, DatabaseUnavailable."""
    document = await store.get(principal, document_id)
    if document is None:
        raise DocumentNotFound
    return document


def _encode(path: str, document_id: UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps([path, str(document_id)]).encode()).decode()


def _decode(cursor: str) -> Position:
    invalid = InvalidCursor("`after` is no cursor of this list. Pass a page's `next` unchanged.")
    try:
        path, document_id = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        position = path, UUID(document_id)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise invalid from error
    if not isinstance(path, str) or "\0" in path:  # Postgres takes no NUL
        raise invalid
    return position
