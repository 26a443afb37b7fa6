"""Hypothesis: JSON that is almost what is expected, and bytes that are almost a file."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: of one fuzz test: cheap, and told how to replay
FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

_DEEP: Any = []
for _ in range(400):
    _DEEP = [_DEEP]

#: what no sender of good will puts anywhere
odd: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, 0, -1, 2**31, 2**63, -(2**64), 10**400, 1.5, 1e308, float("nan")),
            *("", " ", "-x", "--submit", "../..", "..", ".git/config", "a\0b", "a\nb", "a\r\nb: c"),
            *("\x1b[2J", "\ud800", "\u202e", "<script>", "</script>", "%(x)s", "{0.__class__}"),
            *("x" * 5000, "9" * 5000, "refs/heads/-x", "http://[", "ssh://-oProxyCommand=x/y"),
            *([], {}, [[]], {"": ""}, [None], {"number": {}}, _DEEP),
        ]
    ),
    st.integers(),
    st.text(max_size=20),
    st.floats(),
)


@st.composite
def spoiled(draw: st.DrawFn, samples: Sequence[Any]) -> bytes:
    """One of the samples as JSON with up to three values replaced, removed or added."""
    value = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 3))):
        value = _spoil(draw, value)
    return json.dumps(value).encode()


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    place: Any = value
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            return _change(draw, value, place, key)
        place = place[key]
    return _draw_odd(draw)


def _draw_odd(draw: st.DrawFn) -> Any:
    # A copy: what is put in here may be changed later.
    return copy.deepcopy(draw(odd))


def _change(draw: st.DrawFn, value: Any, place: Any, key: Any) -> Any:
    deed = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
    if deed == "replace":
        place[key] = _draw_odd(draw)
    elif deed == "remove":
        del place[key]
    elif isinstance(place, dict):
        place[draw(st.text(max_size=5))] = _draw_odd(draw)
    else:
        place.append(_draw_odd(draw))
    return value


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """One of the samples with bytes overwritten, cut out, doubled or put in."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        between = draw(st.one_of(st.binary(max_size=8), st.just(data[start:end] * 2)))
        data = data[:start] + between + data[end:]
    return data
