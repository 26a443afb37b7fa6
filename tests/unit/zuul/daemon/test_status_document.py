"""status.json as bytes."""

import gzip
import json

import pytest

from zuul.daemon.status_document import encode_items, encode_status

ITEM = {"id": "1,2", "project": "org/p", "jobs": [{"name": "unit"}]}
OTHER = {"id": "3,1", "project": "org/</script>", "jobs": []}
TICK = {"id": None, "project": "org/p", "jobs": []}


def document(*heads: list[dict]) -> dict:
    queues = [{"name": "org/p", "window": 20, "heads": list(heads)}]
    return {
        "zuul_version": "1",
        "pipelines": [
            {"name": "gate", "description": None, "change_queues": queues},
            {"name": "empty", "description": "Nothing", "change_queues": []},
        ],
    }


def test_the_document_survives_being_encoded_in_parts():
    whole = document([ITEM, OTHER], [TICK], [])
    status = encode_status(whole, 7.0)
    assert json.loads(status.body) == whole
    assert gzip.decompress(status.gzipped) == status.body
    assert status.built_at == 7.0


def test_only_pipelines():
    assert encode_status({"pipelines": []}, 0.0).body == b'{"pipelines": []}'


def test_changes_are_found_without_a_search():
    status = encode_status(document([ITEM, OTHER], [ITEM, TICK]), 0.0)
    assert json.loads(status.change_body("1,2")) == [ITEM, ITEM]
    assert json.loads(status.change_body("3,1")) == [OTHER]
    assert status.change_body("9,9") == b"[]"
    assert set(status.items) == {"1,2", "3,1"}


def test_no_tag_can_leave_a_script():
    body = encode_status(document([OTHER]), 0.0).body
    assert b"<" not in body
    assert b"\\u003c/script>" in body


@pytest.mark.parametrize(
    "odd", [{"jobs": [{"worker": {"extra": float("nan")}}]}, {"owner": {"name": float("nan")}}]
)
def test_an_item_that_json_cannot_hold_loses_its_jobs_and_owner_only(caplog, odd):
    bad = {"id": "5,1", "live": True, "owner": {"name": "Ann"}, "jobs": [], **odd}
    status = encode_status(document([ITEM, bad]), 0.0)
    assert json.loads(status.change_body("5,1")) == [
        {"id": "5,1", "live": True, "owner": None, "jobs": []}
    ]
    assert json.loads(status.change_body("1,2")) == [ITEM]
    assert "cannot be shown change=5,1" in caplog.text


def test_items_alone():
    assert encode_items([]) == b"[]"
    assert json.loads(encode_items([ITEM, OTHER, TICK])) == [ITEM, OTHER, TICK]
