"""nodepool job-list, job-create, job-delete: jobs whose failed nodes are held."""

from __future__ import annotations

import argparse

from nodepool.cmd.site import CommandError, opened, row_id, show, whole_number
from nodepool.db.people import JobRow
from nodepool.status import Table, job_table


def add_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], usual: argparse.ArgumentParser
) -> None:
    every = commands.add_parser("job-list", parents=[usual], help="list the jobs to hold nodes of")
    every.set_defaults(run=list_jobs)

    create = commands.add_parser("job-create", parents=[usual], help="hold nodes of a job")
    create.add_argument("name", metavar="NAME", type=_name)
    create.add_argument(
        "--hold-on-failure",
        type=_count,
        default=0,
        metavar="N",
        help="keep the nodes of so many builds that failed",
    )
    create.set_defaults(run=create_job)

    delete = commands.add_parser("job-delete", parents=[usual], help="hold no more of its nodes")
    delete.add_argument("id", type=row_id, metavar="ID")
    delete.set_defaults(run=delete_job)


def list_jobs(options: argparse.Namespace) -> int:
    with opened(options) as site:
        show(_table(site.people.jobs()), options)
    return 0


def create_job(options: argparse.Namespace) -> int:
    with opened(options) as site:
        job_id = site.people.add_job(options.name, options.hold_on_failure)
        show(_table([JobRow(job_id, options.name, options.hold_on_failure)]), options)
    return 0


def delete_job(options: argparse.Namespace) -> int:
    with opened(options) as site:
        if not site.people.remove_job(options.id):
            raise CommandError(f"Job {options.id} not found.")
        show(_table(site.people.jobs()), options)
    return 0


def _table(jobs: list[JobRow]) -> Table:
    return job_table((job.id, job.name, job.hold_on_failure) for job in jobs)


def _name(text: str) -> str:
    if not text.strip() or len(text) > 255:
        raise argparse.ArgumentTypeError("expected the name of a job")
    return text


def _count(text: str) -> int:
    number = whole_number(text)
    if number > 1000:
        raise argparse.ArgumentTypeError(f"{text} nodes of one job are too many to hold")
    return number
