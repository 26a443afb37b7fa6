"""neutron's migrations do not run on sqlite (ALTER): tables are made from its models."""

import sys

import sqlalchemy
from neutron.db.migration.models import head

engine = sqlalchemy.create_engine(sys.argv[1])
head.get_metadata().create_all(engine)
