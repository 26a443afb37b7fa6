"""A Secret is used, not shown."""

import copy
import json
import pickle

import pytest

from zuul.lib.secret import Secret

SECRET = Secret("geheim")


def test_it_shows_stars():
    for text in (str(SECRET), repr(SECRET), f"{SECRET:>20}", f"{[SECRET]}", "%s" % SECRET):  # noqa: UP031
        assert "geheim" not in text
        assert "***" in text


def test_it_is_revealed_on_request():
    assert SECRET.reveal() == "geheim"


def test_equality():
    assert Secret("geheim") == SECRET
    assert Secret("other") != SECRET
    assert SECRET != "geheim"
    assert hash(Secret("geheim")) == hash(SECRET)
    assert not Secret("")


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, copy.deepcopy])
def test_it_is_written_nowhere(write):
    with pytest.raises(TypeError):
        write(SECRET)
