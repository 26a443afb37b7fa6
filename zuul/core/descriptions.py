"""What a build is about, in HTML, for the page of whoever runs it (contract zuul.md 5.5)."""

from __future__ import annotations

from html import escape
from itertools import islice

from zuul.model.build import Build
from zuul.model.change import Change, Changeish, Ref
from zuul.model.queue import QueueItem

#: of a long series only the nearest are named
MOST_AHEAD = 20


def describe(item: QueueItem, build: Build, reported: str | None) -> str:
    """`reported`: the result of the item, once it is decided."""
    parts = [
        f"<p>Triggered by {_subject(item.change)}<br/>Pipeline: <b>{escape(item.pipeline)}</b></p>",
        _ahead(item),
        "<ul>",
        *(f"<li>{_build(other)}</li>" for other in item.build_set.builds.values()),
        "</ul>",
    ]
    previous = item.build_set.previous.get(build.job)
    if previous is not None and previous.id is not None:
        parts.append(f"<p>Preceded by: {_build(previous)}</p>")
    if reported is not None:
        parts.append(f"<p>Reported result: <b>{escape(reported)}</b></p>")
    return "\n".join(part for part in parts if part)


def _subject(change: Changeish) -> str:
    if isinstance(change, Change):
        return f"change: {_link(str(change.key), change.url)}<br/>Branch: {_bold(change.branch)}"
    if isinstance(change, Ref):
        return (
            f"reference: {_link(change.ref, change.url)}<br/>"
            f"Old revision: {_bold(change.oldrev)}<br/>New revision: {_bold(change.newrev)}"
        )
    return f"project: {_bold(change.project)}"


def _ahead(item: QueueItem) -> str:
    ahead = list(islice(item.chain_ahead(), MOST_AHEAD + 1))
    if not ahead:
        return ""
    names = [f"<li>{_link(str(i.change.key), _url(i.change))}</li>" for i in ahead[:MOST_AHEAD]]
    more = "<li>and others ahead of these</li>" if len(ahead) > MOST_AHEAD else ""
    title = "<p>Other changes tested concurrently with this change:</p>"
    return f"{title}\n<ul>{''.join(names)}{more}</ul>"


def _build(build: Build) -> str:
    number = "" if build.data.number is None else f" #{build.data.number}"
    name = _link(f"{build.job}{number}", build.data.url)
    return f"{name}: {escape(build.result or 'in progress')}"


def _url(change: Changeish) -> str | None:
    return change.url if isinstance(change, (Change, Ref)) else None


def _bold(text: str) -> str:
    return f"<b>{escape(text)}</b>"


def _link(text: str, url: str | None) -> str:
    """A link only where the address is one that a browser may follow safely."""
    if url is None or not url.startswith(("http://", "https://")):
        return escape(text)
    return f'<a href="{escape(url)}">{escape(text)}</a>'
