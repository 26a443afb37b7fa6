"""What a log line may look like, and the operator's logging file."""

import io
import logging
import logging.handlers
import sys

import pytest

from zuul.lib import logs
from zuul.lib.logs import Redactor, SafeFormatter, configure, escape_controls, fields
from zuul.lib.problems import ConfigError
from zuul.lib.secret import Secret


class TestFields:
    def test_order_is_kept_and_none_is_left_out(self):
        assert fields(pipeline="gate", item=None, change="1,2", live=True, window=20) == (
            "pipeline=gate change=1,2 live=True window=20"
        )

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("plain", "x=plain"),
            ("org/project", "x=org/project"),
            ("two words", 'x="two words"'),
            ('say "hi"', 'x="say \\"hi\\""'),
            ("", 'x=""'),
            ("a=b", 'x="a=b"'),
            ("line\nforged change=9,9", 'x="line\\nforged change=9,9"'),
            ("\r\x1b[31mred", "x=\\r\\x1b[31mred"),
            ("tab\there", "x=tab\\there"),
            ("\u202eevil", "x=\\u202eevil"),
            ("\udcff", "x=\\udcff"),
            ("größe", "x=größe"),
        ],
    )
    def test_values_cannot_forge_anything(self, value, expected):
        assert fields(x=value) == expected

    def test_values_are_bounded(self):
        assert len(fields(x="a b" * 1_000_000)) < 1100


def formatted(message: str, *args: object, **keywords: object) -> str:
    record = logging.LogRecord("zuul.Test", logging.INFO, "f", 1, message, args, None)
    record.__dict__.update(keywords)
    return SafeFormatter(logging.Formatter("%(levelname)s %(message)s")).format(record)


class TestSafeFormatter:
    def test_a_plain_message_stays_as_it_is(self):
        assert formatted("Took %d of %s", 1, "it") == "INFO Took 1 of it"

    def test_a_further_line_is_not_a_record(self):
        assert formatted("Bad %s", "x\nINFO forged") == "INFO Bad x\n    INFO forged"

    def test_no_escapes_reach_the_terminal(self):
        assert formatted("\x1b[2J\r\x9b") == "INFO \\x1b[2J\\r\\x9b"

    def test_an_exceptions_text_cannot_forge_either(self):
        try:
            raise ValueError("x\nINFO forged")
        except ValueError:
            text = formatted("Failed", exc_info=sys.exc_info())
        lines = text.splitlines()
        assert lines[0] == "INFO Failed"
        assert all(line.startswith("    ") for line in lines[1:])
        assert "    INFO forged" in lines

    def test_stack_info_is_kept(self):
        assert formatted("Here", stack_info="Stack (most recent):\n  x") == (
            "INFO Here\n    Stack (most recent):\n      x"
        )

    def test_the_record_itself_is_left_alone(self):
        record = logging.LogRecord("n", logging.INFO, "f", 1, "%s\n", ("a",), None)
        SafeFormatter().format(record)
        assert (record.msg, record.args) == ("%s\n", ("a",))

    def test_tabs_and_letters_are_harmless(self):
        assert escape_controls("a\tß") == "a\tß"


class TestRedactor:
    def test_secrets_are_stars_also_in_urls(self):
        redactor = Redactor()
        assert redactor.redact("x") == "x"
        redactor.hide([Secret("ge/heim")])
        assert redactor.redact("a ge/heim b ge%2Fheim") == "a ******** b ********"

    def test_a_secret_within_a_secret(self):
        redactor = Redactor()
        redactor.hide([Secret("geheim"), Secret("mysql://u:geheim@h/d")])
        assert redactor.redact("at mysql://u:geheim@h/d") == "at ********"

    def test_a_secret_that_begins_with_another(self):
        redactor = Redactor()
        redactor.hide([Secret("geheim"), Secret("geheimer")])
        assert redactor.redact("geheimer") == "********"

    def test_short_texts_would_hide_half_the_log(self):
        redactor = Redactor()
        redactor.hide([Secret("a"), Secret("")])
        assert redactor.redact("a cat") == "a cat"

    def test_logs_hide_what_the_process_hides(self, monkeypatch):
        redactor = Redactor()
        monkeypatch.setattr(logs, "redact", redactor.redact)
        redactor.hide([Secret("hunter22")])
        assert formatted("login with %s", "hunter22") == "INFO login with ********"


@pytest.fixture
def clean_logging():
    """Give the root logger back as it was, whatever a test configured."""
    root = logging.getLogger()
    handlers, level, last_good = root.handlers[:], root.level, logs._last_good
    yield
    configure(None)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.handlers[:] = handlers
    root.setLevel(level)
    logs._last_good = last_good


OPENSTACK_2013 = """\
[loggers]
keys=root,zuul,gerrit,gear
[handlers]
keys=console,debug,normal
[formatters]
keys=simple
[logger_root]
level=WARNING
handlers=console
[logger_zuul]
level=DEBUG
handlers=debug,normal
qualname=zuul
[logger_gerrit]
level=INFO
handlers=debug,normal
qualname=gerrit
[logger_gear]
level=DEBUG
handlers=debug,normal
qualname=gear
[handler_console]
level=WARNING ; said inside a line
class=StreamHandler
formatter=simple
args=(sys.stdout,)
[handler_debug]
level=DEBUG
class=logging.handlers.TimedRotatingFileHandler
formatter=simple
args=('{folder}/debug.log', 'midnight', 1, 30,)
[handler_normal]
level=INFO
class=logging.handlers.TimedRotatingFileHandler
formatter=simple
args=('{folder}/zuul.log', 'midnight', 1, 30,)
[formatter_simple]
format=%(asctime)s %(levelname)s %(name)s: %(message)s
datefmt=
"""


@pytest.mark.usefixtures("clean_logging")
class TestConfigure:
    def write(self, tmp_path, text):
        path = tmp_path / "logging.conf"
        path.write_text(text.replace("{folder}", str(tmp_path)))
        return path

    def test_a_file_of_2013_works(self, tmp_path):
        configure(self.write(tmp_path, OPENSTACK_2013))
        log = logging.getLogger("zuul.Scheduler")
        log.debug("A detail")
        log.info("Branch %s", "x\nforged")
        configure(None)
        debug = (tmp_path / "debug.log").read_text()
        normal = (tmp_path / "zuul.log").read_text()
        assert "DEBUG zuul.Scheduler: A detail\n" in debug
        assert "detail" not in normal
        assert normal.endswith("INFO zuul.Scheduler: Branch x\n    forged\n")

    def test_without_a_file_all_goes_to_stderr(self, monkeypatch):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        configure(None)
        logging.getLogger("anything").debug("Said")
        assert stream.getvalue().endswith(" DEBUG anything: Said\n")

    def test_a_second_file_replaces_the_first(self, tmp_path):
        configure(self.write(tmp_path, OPENSTACK_2013))
        configure(None)
        logging.getLogger("gear").info("Not for the old file")
        assert "old file" not in (tmp_path / "zuul.log").read_text()
        assert logging.getLogger("gear").getEffectiveLevel() == logging.DEBUG

    def test_a_missing_file_is_a_clear_error(self, tmp_path):
        with pytest.raises(ConfigError, match=r"nowhere\.conf: cannot be read: .*No such file"):
            configure(tmp_path / "nowhere.conf")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("[loggers]\n", "[lodgers]\n", "loggers"),
            ("{folder}/zuul.log", "{folder}/no/where.log", "No such file or directory"),
            (
                "TimedRotatingFileHandler\nformatter=simple\nargs=('{folder}/z",
                "No",
                "cannot be used",
            ),
            ("(sys.stdout,)", "(sys.stdout", "SyntaxError"),
            ("(sys.stdout,)", "1/0", "ZeroDivisionError"),
            ("level=DEBUG", "level=CHATTY", "CHATTY"),
            ("[loggers]\n", "loggers\n", "no section headers"),
            ("handlers=console", "handlers=consul", "consul"),
        ],
    )
    def test_a_bad_file_leaves_the_log_as_it_was(self, tmp_path, old, new, message):
        configure(self.write(tmp_path, OPENSTACK_2013))
        assert old in OPENSTACK_2013
        bad = tmp_path / "bad.conf"
        bad.write_text(OPENSTACK_2013.replace(old, new).replace("{folder}", str(tmp_path)))
        with pytest.raises(ConfigError, match=message) as caught:
            configure(bad)
        assert str(caught.value).startswith(f"{bad}: ")
        logging.getLogger("zuul.Server").info("Going on")
        assert "Going on" in (tmp_path / "zuul.log").read_text()

    def test_the_target_of_a_memory_handler_is_made_safe(self):
        target = logging.StreamHandler(io.StringIO())
        handler = logging.handlers.MemoryHandler(10, target=target)
        logs._make_safe(handler)
        assert isinstance(target.formatter, SafeFormatter)
        handler.close()
