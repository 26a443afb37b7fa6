"""The war of a real Hudson 2.2.1, mended so that it runs on a Java of today.

The war comes from Maven's registry once. What is made of it (a copy without the plugins that do
not load, and the compiled launcher) is kept below the user's cache folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "2.2.1"
#: Part of the folder's name: raise it when what is made here changes.
REVISION = 2
ARTIFACT = f"org.jvnet.hudson.main:hudson-war:{VERSION}:war"
PLUGINS_THAT_DO_NOT_LOAD = (
    *("cvs", "git", "maven-plugin", "maven3-plugin"),
    *("maven3-snapshots", "rest-plugin", "subversion"),
)
LAUNCHER = Path(__file__).parent / "hudson" / "Launch.java"


class RealHudsonUnavailable(Exception):
    """This machine cannot run the real Hudson; the text says what lacks."""


def ensure_hudson() -> Path:
    """The folder with hudson.war and Launch.class; made under a lock if it is not there."""
    if shutil.which("java") is None:
        raise RealHudsonUnavailable("the real Hudson needs java, which is not installed")
    base = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "zuul-tests"
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = base / f"hudson-{VERSION}-{REVISION}"
    with (base / "hudson.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = Path(tempfile.mkdtemp(prefix="making-", dir=base))
            try:
                _make(making)
                making.rename(made)
            finally:
                shutil.rmtree(making, ignore_errors=True)
    return made


def _make(folder: Path) -> None:
    lacking = [tool for tool in ("javac", "zip") if shutil.which(tool) is None]
    if lacking:
        raise RealHudsonUnavailable(f"the real Hudson needs {' and '.join(lacking)}")
    war = folder / "hudson.war"
    shutil.copyfile(_find_war(), war)
    members = [f"WEB-INF/plugins/{name}.hpi" for name in PLUGINS_THAT_DO_NOT_LOAD]
    _run(["zip", "-q", "-d", str(war), *members])
    _run(["javac", "-d", str(folder), str(LAUNCHER)])


def _find_war() -> Path:
    """In Maven's own cache, fetched first if it is not there."""
    name = f"hudson-war-{VERSION}.war"
    war = Path.home() / ".m2/repository/org/jvnet/hudson/main/hudson-war" / VERSION / name
    if not war.exists():
        if shutil.which("mvn") is None:
            raise RealHudsonUnavailable(f"{war} is not there, and there is no mvn to fetch it")
        fetch = ["mvn", "-q", "-B", "dependency:get", f"-Dartifact={ARTIFACT}"]
        try:
            _run([*fetch, "-Dtransitive=false"])
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            raise RealHudsonUnavailable(f"{name} cannot be fetched: {error}") from error
    return war


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, timeout=300)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")[-500:]
        raise RuntimeError(f"{command[0]}: {said}")
