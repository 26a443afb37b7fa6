"""The tables can be made on every database that is promised, also where none is installed."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from nodepool.db.schema import METADATA

CONTRACT = {
    "node": "id provider_name label_name target_name manager_name hostname nodename external_id az "
    "ip ip_private state state_time comment",
    "subnode": "id node_id hostname external_id ip ip_private state state_time",
    "snapshot_image": "id provider_name image_name hostname version external_id "
    "server_external_id state state_time",
    "job": "id name hold_on_failure",
}


@pytest.mark.parametrize("dialect", [sqlite.dialect(), mysql.dialect(), postgresql.dialect()])
def test_tables_compile(dialect: Dialect) -> None:
    for table in METADATA.tables.values():
        text = str(CreateTable(table).compile(dialect=dialect))
        assert ("ENGINE=InnoDB" in text) is (dialect.name == "mysql")


@pytest.mark.parametrize("table", CONTRACT)
def test_columns_of_the_contract_come_first(table: str) -> None:
    columns = CONTRACT[table].split()
    assert METADATA.tables[table].columns.keys()[: len(columns)] == columns
