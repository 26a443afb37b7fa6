"""Whatever stands in zuul.conf, the answer is values or a list of problems."""

from hypothesis import example, given
from hypothesis import strategies as st

from zuul.config import parse_config
from zuul.lib.problems import ConfigError

HEADERS = ("gearman", "gearman_server", "webapp", "zuul", "merger", "connection g", "swift")
KEYS = ("server", "port", "driver", "user", "baseurl", "password", "zuul_url", "start", "sshkey")
VALUES = ("gerrit", "sql", "smtp", "localhost", "http://[x", "~nobody/x", "%(port)s", "7", "")

option = st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from(VALUES) | st.text())
section = st.builds(
    lambda header, options: "\n".join([f"[{header}]", *options]),
    st.sampled_from(HEADERS),
    st.lists(option, max_size=6),
)


@given(st.lists(section, max_size=5).map("\n".join) | st.text())
@example("[connection g]\ndriver=gerrit\nserver=[x\npassword=p")
@example("[connection g]\ndriver=gerrit\nserver=\x00\npassword=p")
def test_no_file_raises_anything_but_problems(text):
    try:
        config = parse_config(text, "zuul.conf")
    except ConfigError as error:
        assert all(problem.source == "zuul.conf" for problem in error.problems)
        assert error.problems
    else:
        assert config.gearman.server
