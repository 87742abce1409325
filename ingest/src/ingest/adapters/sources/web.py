"""A web page, a sitemap, or an index page with what it links to on the same host below its own path."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx

from ingest.core.documents import Content, Gone, Item, SourceUnreadable, Unreadable
from ingest.core.media import UNKNOWN, media_type

_LOCATION = re.compile(r"<(?:\w+:)?loc>\s*(?:<!\[CDATA\[)?\s*([^<\]\s]+)")
_SITEMAP = re.compile(r"<(?:\w+:)?(urlset|sitemapindex)\b")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ENTITIES = {"&amp;": "&", "&apos;": "'", "&quot;": '"', "&lt;": "<", "&gt;": ">"}


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one run may take from a web site."""

    document_bytes_max: int
    pages_max: int = 1000
    timeout_seconds: float = 60
    redirects_max: int = 5


class WebSource:
    """Source over http(s). A URL that ends in `/` is an index, one that ends in `.xml` a sitemap, others a page.

    Nothing is ever fetched from another host than the URL's own, by a redirect neither: a public site could
    otherwise have pages of the private network put into the index. A name and password in the URL are sent to that
    host and kept out of the source's name. Errors: ValueError if it is no URL.
    """

    def __init__(
        self, url: str, *, limits: WebLimits, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        parts = urlsplit(urldefrag(url).url)
        if not parts.hostname or parts.port == 0:
            raise ValueError(f"{url!r} names no host")
        self.name = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path or "/").geturl()
        self._limits = limits
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self._client = httpx.AsyncClient(
            timeout=limits.timeout_seconds,
            auth=(user, password) if user else None,
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
        kind, places = await self._locations(url)
        if kind == "urlset":
            return places
        pages: set[str] = set()
        for place in sorted(places - {url}):
            pages |= (await self._locations(place))[1]
            if len(pages) > self._limits.pages_max:
                break
        return pages

    async def _locations(self, url: str) -> tuple[str, set[str]]:
        """Return a sitemap's root element and what it names on our host. Errors: Unreadable."""
        text = (await self._get(url)).text
        root = _SITEMAP.search(text)
        if not root:
            # An error page with status 200 would name nothing, and everything known would be gone.
            raise Unreadable(f"{url} is no sitemap")
        places = {_unescape(place) for place in _LOCATION.findall(text)}
        return root[1], {place for place in places if self._is_ours(place)}

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
        """Tell whether a URL is on the source's host; https in place of http is the same host."""
        try:
            there, here = urlsplit(url), urlsplit(self.name)
            ports = [parts.port or _DEFAULT_PORTS.get(parts.scheme) for parts in (there, here)]
        except ValueError:
            return False
        upgraded = ports == [443, 80] and there.scheme == "https"
        same = there.scheme == here.scheme and ports[0] == ports[1]
        return there.hostname == here.hostname and "@" not in there.netloc and (same or upgraded)

    async def _get(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Return a whole response of limited size, within a limited time. Errors: Unreadable, Gone."""
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await self._follow(url, headers)
        except (httpx.TimeoutException, TimeoutError) as error:
            limit = f"{self._limits.timeout_seconds:.0f} s (INGEST_WEB_TIMEOUT_SECONDS)"
            raise Unreadable(f"it was not received within {limit}") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreadable(f"it cannot be fetched ({error or type(error).__name__})") from error

    async def _follow(self, url: str, headers: dict[str, str] | None) -> httpx.Response:
        for _ in range(self._limits.redirects_max + 1):
            async with self._client.stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    return await self._answer(response)
                url = urljoin(str(response.url), response.headers["location"])
            if not self._is_ours(url):
                raise Unreadable(f"it redirects to another host: {url}; if that is meant, ingest that URL")
        raise Unreadable("it redirects too often")

    async def _answer(self, response: httpx.Response) -> httpx.Response:
        if response.status_code == 304:
            return response
        if response.status_code == 410:
            raise Gone("the server answered 410: it is gone for good")
        if not response.is_success:
            raise Unreadable(f"the server answered {response.status_code}")
        return await self._within_limit(response)

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
