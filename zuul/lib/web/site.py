"""StatusSite: files, and one cached document that shows a program's state; read by anybody.

What zuul-server's and nodepoold's web servers have in common. A program says how its document is
made (`build`), and which paths show what of it (`add_routes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from aiohttp import web

from zuul.lib.web.cache import Document, StatusCache
from zuul.lib.web.files import read_static_files, serve_file
from zuul.lib.web.server import WebThread

D = TypeVar("D", bound=Document)


class StatusSite(WebThread, Generic[D]):
    """What is not WebThread's is called on the loop."""

    #: what is said while there is no document yet, and after how many seconds to come again
    absent = ("Nothing is known yet.\n", 1)

    def __init__(
        self,
        address: str,
        port: int,
        *,
        setting: str,
        name: str,
        package: str,
        served: Mapping[str, tuple[str, str]],
        lifetime_seconds: float,
        patience_seconds: float,
    ) -> None:
        """`setting`, `name`: as of WebThread; `package`, `served`: as of read_static_files;
        `lifetime_seconds`, `patience_seconds`: as of StatusCache."""
        self._files = read_static_files(package, served)
        #: for what takes long to write down
        self.encoder = ThreadPoolExecutor(1, thread_name_prefix="web-encoder")
        self._cache = StatusCache(
            self.build, lifetime_seconds=lifetime_seconds, patience_seconds=patience_seconds
        )
        super().__init__(
            address,
            port,
            setting=setting,
            name=name,
            make_routes=self._add_all,
            on_end=self._cache.close,
        )

    def stop(self) -> None:
        super().stop()
        self.encoder.shutdown(wait=False, cancel_futures=True)

    async def build(self) -> D:
        """A new document; ends in time whatever happens."""
        raise NotImplementedError

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Those that show the document."""
        raise NotImplementedError

    async def find(self, request: web.Request) -> tuple[D, dict[str, str]]:
        """The document and the headers of its answer; raises what answers the request if there is
        none, or none newer than the browser has."""
        cached = await self._cache.get()
        if cached is None:
            raise self.is_absent()
        headers = self._cache.headers(cached)
        since = request.if_modified_since
        if since is not None and int(cached.document.built_at) <= since.timestamp():
            raise web.HTTPNotModified(headers=headers)
        return cached.document, headers

    def is_absent(self) -> web.HTTPException:
        """To be raised."""
        text, seconds = self.absent
        return web.HTTPServiceUnavailable(text=text, headers={"Retry-After": str(seconds)})

    def _add_all(self, router: web.UrlDispatcher) -> None:
        self.add_routes(router)
        for path, file in self._files.items():
            router.add_route("*", path, serve_file(file))
