"""How each of the services says no."""

from __future__ import annotations

import json
import math

from aiohttp import web

_NOVA_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class ApiError(Exception):
    """A refusal; the service's own form is made at the edge. `retry_after` in seconds."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after


def bad(message: str) -> ApiError:
    return ApiError(400, message)


def not_found(message: str = "The resource could not be found.") -> ApiError:
    return ApiError(404, message)


def response(service: str, error: ApiError) -> web.Response:
    """`service` is compute, identity, network or image."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    status, message = error.status, error.message
    if service == "image":
        title = _TITLES.get(status, "Error")
        page = (
            f"<html>\n <head>\n  <title>{status} {title}</title>\n </head>\n <body>\n"
            f"  <h1>{status} {title}</h1>\n  {message}<br /><br />\n\n\n\n </body>\n</html>"
        )
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)
    body: dict[str, object]
    if service == "identity" or status == 401:
        title = _TITLES.get(status, "Error")
        body = {"error": {"code": status, "message": message, "title": title}}
    elif service == "network":
        body = {"NeutronError": {"type": "SandboxError", "message": message, "detail": ""}}
    else:
        row: dict[str, object] = {"code": status, "message": message}
        if status in (413, 429) and error.retry_after is not None:
            row["retryAfter"] = str(math.ceil(error.retry_after))
        body = {_NOVA_NAMES.get(status, "computeFault"): row}
    text = json.dumps(body)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
