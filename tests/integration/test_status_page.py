"""The status page in a browser, and its scripts on their own, where this machine can run them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.status_sample import Sample
from zuul.config import parse_config
from zuul.daemon.web import WebServer

pytestmark = pytest.mark.integration

STATIC = Path(__file__).parents[2] / "zuul" / "daemon" / "static"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium")
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
)


def evaluate(module: str, expression: str, folder: Path) -> object:
    """The value of a JavaScript expression that uses the module as `m`."""
    assert NODE is not None
    (folder / "module.mjs").write_text((STATIC / module).read_text())
    program = f'import * as m from "./module.mjs";\nconsole.log(JSON.stringify({expression}));'
    (folder / "program.mjs").write_text(program)
    command = [NODE, str(folder / "program.mjs")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


def lay_out(folder: Path, *items: tuple[str, str | None]) -> list[list[str]]:
    listed = [{"id": name, "item_ahead": ahead} for name, ahead in items]
    rows = evaluate("tree.js", f"m.layOutTree({json.dumps(listed)})", folder)
    assert isinstance(rows, list)
    return [[" ".join(cell) for cell in row["cells"]] for row in rows]


@pytest.mark.skipif(NODE is None, reason="needs node")
class TestScripts:
    def test_a_line_of_items(self, tmp_path):
        assert lay_out(tmp_path, ("a", None), ("b", "a"), ("c", "b")) == [
            ["down dot"],
            ["up down dot"],
            ["up dot"],
        ]

    def test_what_fails_branches_off(self, tmp_path):
        assert lay_out(tmp_path, ("a", None), ("b", "a"), ("c", "a"), ("d", "c")) == [
            ["down dot"],
            ["up down right", "left dot"],
            ["up down dot"],
            ["up dot"],
        ]

    def test_branches_cross_other_lanes(self, tmp_path):
        items = [("a", None), ("b", "a"), ("c", "a"), ("d", "a"), ("e", "b")]
        assert lay_out(tmp_path, *items) == [
            ["down dot"],
            ["up down right", "down left dot"],
            ["up down right", "up down left right", "left dot"],
            ["up dot", "up down"],
            ["", "up dot"],
        ]

    def test_an_item_whose_base_is_not_shown(self, tmp_path):
        assert lay_out(tmp_path, ("b", "gone"), ("c", None)) == [["dot"], ["dot"]]

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://x.example/a", "https://x.example/a"),
            ("javascript:alert(1)", None),
            (" JavaScript:alert(1)", None),
            ("data:text/html,x", None),
            ("/relative", None),
            (None, None),
            (7, None),
        ],
    )
    def test_links_lead_to_the_web_only(self, tmp_path, url, expected):
        assert evaluate("format.js", f"m.safeUrl({json.dumps(url)})", tmp_path) == expected

    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [
            (0, "under 1 min"),
            (59_000, "under 1 min"),
            (7_500_000, "2 h 05 min"),
            (-5, "under 1 min"),
        ],
    )
    def test_durations(self, tmp_path, milliseconds, text):
        assert evaluate("format.js", f"m.duration({milliseconds})", tmp_path) == text


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_shows_items_as_text(tmp_path):
    sample = Sample(12)
    document = sample.document()
    evil = document["pipelines"][0]["change_queues"][0]["heads"][0][0]
    evil |= {"project": "<b id=evil>org/evil</b>", "url": "javascript:alert(1)"}
    document["message"] = "Queue <i id=evil>only</i> mode<script>document.title='evil'</script>"
    freeze = {"project": None, "reason": "<i id=evil>release", "since": 1_700_000_000_000}
    document["pipelines"][0]["freezes"] = [freeze, freeze | {"project": "org/p"}]
    evil["brake"] = "pipeline gate is frozen: <i id=evil>release"
    sample.document = lambda: document
    text = (
        "[gearman]\nserver=127.0.0.1\n[zuul]\nlayout_config=/l\n"
        "[webapp]\nlisten_address=127.0.0.1\nport=0\n"
    )
    server = WebServer(parse_config(text, "zuul.conf"), sample)
    server.start()
    try:
        url = f"http://127.0.0.1:{server.port}/"
        command = [str(CHROMIUM), *CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path}", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    finally:
        server.stop()
    page = done.stdout
    assert "CONSOLE" not in done.stderr
    assert "11 changes" in page
    assert "&lt;b id=evil&gt;org/evil&lt;/b&gt;" in page
    assert "<b id=" not in page
    assert "<i id=" not in page
    assert "Frozen since " in page
    assert "org/p is frozen since " in page
    assert "held" in page
    assert page.count("&lt;i id=evil&gt;release") >= 2
    assert "<title>Zuul status</title>" in page
    assert "javascript:" not in page
    for item in document["pipelines"][1]["change_queues"][0]["heads"][0]:
        assert item["id"] in page
