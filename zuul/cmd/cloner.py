"""zuul-cloner: the command that jobs call to get their repositories (contract zuul.md 11.4)."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from zuul import __version__
from zuul.cloner.clonemap import CloneMap, read_clonemap
from zuul.cloner.cloner import Cloner
from zuul.cloner.plan import CloneRequest
from zuul.errors import CloneError
from zuul.lib import logs
from zuul.lib.git import forget_outer_repository
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret

_ZUUL = ("url", "project", "branch", "ref", "newrev")
_COLORS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31", logging.DEBUG: "2"}


def main(arguments: list[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    environment = os.environ if environment is None else environment
    parser = _parser(environment)
    options = parser.parse_args(arguments)
    _check_usage(parser, options)
    _set_up_logging(options.verbose, options.color)
    _hide_passwords(options.git_base_url, options.zuul_url)
    forget_outer_repository()
    try:
        clone_map = read_clonemap(options.clone_map) if options.clone_map else CloneMap()
        cloner = Cloner(
            _request(options),
            options.workspace,
            cache=options.cache_dir,
            clone_map=clone_map,
        )
        cloner.clone_all()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    except (CloneError, OSError) as error:
        logging.getLogger("zuul.Cloner").error("%s", error)
        return 1
    return 0


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="zuul-cloner",
        description="Clones projects at the state that is to be tested: the changes of this build,"
        " and those ahead of it.",
    )
    parser.add_argument(
        "-m",
        "--map",
        dest="clone_map",
        type=Path,
        metavar="FILE",
        help="clone map: which project goes into which folder",
    )
    parser.add_argument(
        "--workspace",
        type=Path,
        default=Path.cwd(),
        metavar="DIR",
        help="where clones go (default: the current folder)",
    )
    parser.add_argument(
        "--cache-dir",
        type=_path_or_none,
        metavar="DIR",
        default=_path_or_none(environment.get("ZUUL_CACHE_DIR", "")),
        help="local clones to start from (default: $ZUUL_CACHE_DIR)",
    )
    parser.add_argument("--branch", metavar="B", help="branch wanted, instead of ZUUL_BRANCH")
    parser.add_argument(
        "--project-branch",
        dest="project_branches",
        action="append",
        default=[],
        type=_project_branch,
        metavar="P=B",
        help="branch wanted of one project; may be given again",
    )
    group = parser.add_argument_group("what is tested; by default the environment says it")
    for name in _ZUUL:
        variable = f"ZUUL_{name.upper()}"
        group.add_argument(
            f"--zuul-{name}",
            metavar=name.upper(),
            default=environment.get(variable) or None,
            help=f"default: ${variable}",
        )
    parser.add_argument("-v", "--verbose", action="store_true", help="log each command of git")
    parser.add_argument("--color", action="store_true", help="color the log")
    parser.add_argument("--version", action="version", version=f"Zuul version: {__version__}")
    parser.add_argument("git_base_url", metavar="GIT_BASE_URL", help="base of the projects' URLs")
    parser.add_argument("projects", nargs="+", metavar="PROJECT")
    return parser


def _path_or_none(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _project_branch(text: str) -> tuple[str, str]:
    project, separator, branch = text.partition("=")
    if not separator or not project or not branch:
        raise argparse.ArgumentTypeError(f"expected PROJECT=BRANCH, not {text!r}")
    return project, branch


def _check_usage(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.zuul_ref and not options.zuul_url:
        parser.error("a Zuul ref needs a Zuul URL: set ZUUL_URL or give --zuul-url")
    if options.zuul_newrev and not options.zuul_project:
        parser.error("ZUUL_NEWREV needs ZUUL_PROJECT: set it or give --zuul-project")


def _request(options: argparse.Namespace) -> CloneRequest:
    return CloneRequest(
        git_base_url=options.git_base_url,
        projects=tuple(options.projects),
        zuul_url=options.zuul_url,
        zuul_project=options.zuul_project,
        zuul_branch=options.zuul_branch,
        zuul_ref=options.zuul_ref,
        zuul_newrev=options.zuul_newrev,
        branch=options.branch,
        project_branches=dict(options.project_branches),
    )


def _set_up_logging(verbose: bool, color: bool) -> None:
    text = "%(asctime)s %(levelname)s:%(name)s:%(message)s"
    inner = _ColorFormatter(text) if color else logging.Formatter(text)
    handler = logging.StreamHandler()
    handler.setFormatter(logs.SafeFormatter(inner))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    # zuul.Repo says the same of each command, and how it ended
    logging.getLogger("git").setLevel(logging.INFO)


class _ColorFormatter(logging.Formatter):
    """Says how grave a record is by color too."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        color = _COLORS.get(record.levelno)
        return f"\x1b[{color}m{text}\x1b[0m" if color else text


def _hide_passwords(*urls: str | None) -> None:
    passwords = []
    for url in filter(None, urls):
        try:
            password = urlsplit(url).password
        except ValueError:
            continue
        if password:
            passwords.append(Secret(password))
    logs.hide(passwords)


if __name__ == "__main__":
    sys.exit(main())
