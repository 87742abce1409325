"""A web page, a sitemap, or an index page with what it links to on the same host below its own path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx

from ingest.core.documents import Content, Item, SourceUnreadable, Unreadable
from ingest.core.media import UNKNOWN, media_type

_LOCATION = re.compile(r"<(?:\w+:)?loc>\s*(?:<!\[CDATA\[)?\s*(.*?)\s*(?:\]\]>)?\s*</(?:\w+:)?loc>", re.DOTALL)
_SITEMAP_INDEX = re.compile(r"<(?:\w+:)?sitemapindex\b")
_ENTITIES = {"&amp;": "&", "&apos;": "'", "&quot;": '"', "&lt;": "<", "&gt;": ">"}
_RETRYABLE = "try again later"


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one run may take from a web site."""

    document_bytes_max: int
    pages_max: int = 1000
    timeout_seconds: float = 30
    redirects_max: int = 5


class WebSource:
    """Source over http(s). A URL that ends in `/` is an index, one that ends in `.xml` a sitemap, others a page."""

    def __init__(
        self, url: str, *, limits: WebLimits, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.name = urldefrag(url).url
        self._limits = limits
        self._client = httpx.AsyncClient(
            timeout=limits.timeout_seconds,
            max_redirects=limits.redirects_max,
            follow_redirects=True,
            headers={"user-agent": "slipway-ingest"},
            transport=transport,
        )

    async def list(self) -> Sequence[Item]:
        """Return the pages; their paths are their URLs."""
        try:
            if urlsplit(self.name).path.endswith(".xml"):
                urls = await self._sitemap(self.name)
            elif self.name.endswith("/"):
                urls = await self._index()
            else:
                urls = {self.name}
        except Unreadable as error:
            raise SourceUnreadable(f"{self.name} cannot be listed: {error}. Nothing was changed.") from error
        if len(urls) > self._limits.pages_max:
            raise SourceUnreadable(
                f"{self.name} names {len(urls)} pages, more than INGEST_WEB_PAGES_MAX ({self._limits.pages_max})."
                " Nothing was changed."
            )
        return [Item(url) for url in sorted(urls)]

    async def access_rules(self) -> str | None:
        return None

    async def read(self, item: Item, fingerprint: str) -> Content | None:
        headers = _conditions(fingerprint)
        response = await self._get(item.path, headers)
        if response.status_code == 304 and headers:
            return None
        kind, charset = _content_type(response, item.path)
        return Content(response.content, kind, charset, _fingerprint(response))

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _sitemap(self, url: str) -> set[str]:
        text = (await self._get(url)).text
        places = {_unescape(place) for place in _LOCATION.findall(text)}
        if not _SITEMAP_INDEX.search(text):
            return {place for place in places if self._is_ours(place)}
        pages: set[str] = set()
        for place in sorted(places):
            if self._is_ours(place) and place != url and len(pages) <= self._limits.pages_max:
                pages |= {
                    _unescape(page)
                    for page in _LOCATION.findall((await self._get(place)).text)
                    if self._is_ours(_unescape(page))
                }
        return pages

    async def _index(self) -> set[str]:
        response = await self._get(self.name)
        links = _Links()
        links.feed(response.text)
        found = {urldefrag(urljoin(str(response.url), link)).url for link in links.found}
        below = urlsplit(self.name).path
        return {
            self.name,
            *(url for url in found if self._is_ours(url) and urlsplit(url).path.startswith(below)),
        }

    def _is_ours(self, url: str) -> bool:
        there, here = urlsplit(url), urlsplit(self.name)
        return there.scheme in {"http", "https"} and there.netloc == here.netloc

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Return a whole response of limited size. Errors: Unreadable."""
        try:
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == 304:
                    return response
                if not response.is_success:
                    raise Unreadable(f"the server answered {response.status_code}")
                return await self._within_limit(response)
        except httpx.TooManyRedirects as error:
            raise Unreadable("it redirects too often") from error
        except httpx.TimeoutException as error:
            raise Unreadable(
                f"no answer within {self._limits.timeout_seconds:.0f} s; {_RETRYABLE}"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreadable(f"it cannot be fetched ({error or type(error).__name__})") from error

    async def _within_limit(self, response: httpx.Response) -> httpx.Response:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._limits.document_bytes_max:
                raise Unreadable(
                    f"it is larger than {self._limits.document_bytes_max:,} bytes (INGEST_DOCUMENT_BYTES_MAX)"
                )
        headers = [pair for pair in response.headers.multi_items() if pair[0] != "content-encoding"]
        return httpx.Response(
            response.status_code, headers=headers, content=bytes(body), request=response.request
        )


class _Links(HTMLParser):
    """Collects what a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value.strip() for name, value in attrs if name == "href" and value]


def _content_type(response: httpx.Response, url: str) -> tuple[str, str]:
    """Return the media type and the charset. Servers that know no better say octet-stream or plain text."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    by_name = media_type(urlsplit(url).path)
    if kind in {"", UNKNOWN, "text/plain"} and by_name != UNKNOWN:
        kind = by_name
    return kind or UNKNOWN, response.charset_encoding or ""


def _fingerprint(response: httpx.Response) -> str:
    if etag := response.headers.get("etag"):
        return f"etag {etag}"
    modified = response.headers.get("last-modified")
    return f"modified {modified}" if modified else ""


def _conditions(fingerprint: str) -> dict[str, str]:
    kind, _, value = fingerprint.partition(" ")
    names = {"etag": "if-none-match", "modified": "if-modified-since"}
    return {names[kind]: value} if kind in names and value else {}


def _unescape(text: str) -> str:
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    return text
