"""What is asked of the tables. Each is one short transaction; all raise DatabaseError."""

from __future__ import annotations

import sqlalchemy as sa

from zuul.drivers.sql.rows import Row, in_ascii
from zuul.drivers.sql.tables import BUILD, BUILDSET
from zuul.lib.sql.database import Database


def write_report(database: Database, buildset: Row, builds: list[Row]) -> int:
    """The build set's new id."""
    with database.write() as connection:
        made = connection.execute(BUILDSET.insert().values(buildset)).inserted_primary_key
        assert made is not None
        key: int = made[0]
        if builds:
            rows = [{BUILD.c.buildset_id.name: key, **build} for build in builds]
            connection.execute(BUILD.insert(), rows)
    return key


def last_buildset(database: Database) -> int:
    """The highest id; 0 if there is none."""
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.max(BUILDSET.c.id))) or 0


def find_report(database: Database, buildset: Row, after: int) -> int | None:
    """The first build set newer than `after` that has these values, or what ASCII keeps of them."""
    forms = (buildset, in_ascii(buildset))
    same = sa.or_(*(sa.and_(*(BUILDSET.c[name] == form[name] for name in form)) for form in forms))
    question = sa.select(sa.func.min(BUILDSET.c.id)).where(BUILDSET.c.id > after, same)
    with database.read() as connection:
        found: int | None = connection.scalar(question)
    return found
