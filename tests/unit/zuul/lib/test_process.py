"""PID file, signals and stack dump, in this process."""

import logging
import os
import signal
import threading

import pytest

from zuul.lib.process import AlreadyRunning, PidFile, SignalQueue, dump_stacks, running


class TestPidFile:
    def test_holds_the_pid_and_vanishes(self, tmp_path):
        pidfile = PidFile(tmp_path / "zuul.pid")
        pidfile.acquire()
        pidfile.write()
        assert pidfile.path.read_text() == f"{os.getpid()}\n"
        pidfile.release()
        assert not pidfile.path.exists()

    def test_a_second_owner_is_refused_by_name(self, tmp_path):
        first, second = PidFile(tmp_path / "zuul.pid"), PidFile(tmp_path / "zuul.pid")
        first.acquire()
        first.write()
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()} is running"):
            second.acquire(timeout_seconds=0)
        first.release()
        second.acquire(timeout_seconds=0)
        second.release()

    def test_a_file_left_by_a_crash_stops_nobody(self, tmp_path):
        (tmp_path / "zuul.pid").write_text("99999999 and some more\n")
        pidfile = PidFile(tmp_path / "zuul.pid")
        pidfile.acquire(timeout_seconds=0)
        pidfile.write()
        assert pidfile.path.read_text() == f"{os.getpid()}\n"
        pidfile.release()

    def test_a_file_removed_under_our_hands_is_not_ours(self, tmp_path, monkeypatch):
        pidfile, calls = PidFile(tmp_path / "zuul.pid"), []

        def flock(descriptor: int, operation: int) -> None:
            calls.append(descriptor)
            if len(calls) == 1:
                pidfile.path.unlink()

        monkeypatch.setattr("fcntl.flock", flock)
        pidfile.acquire(timeout_seconds=5)
        assert len(calls) == 2
        assert os.path.samestat(os.fstat(pidfile.fileno()), pidfile.path.stat())
        pidfile.release()

    def test_a_symbolic_link_is_not_followed(self, tmp_path):
        (tmp_path / "zuul.pid").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="symbolic links"):
            PidFile(tmp_path / "zuul.pid").acquire(timeout_seconds=0)

    def test_a_missing_folder_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            PidFile(tmp_path / "nowhere" / "zuul.pid").acquire(timeout_seconds=0)

    def test_release_without_acquire_is_nothing(self, tmp_path):
        PidFile(tmp_path / "zuul.pid").release()

    def test_it_has_no_descriptor_before(self, tmp_path):
        with pytest.raises(ValueError, match="not open"):
            PidFile(tmp_path / "zuul.pid").write()


def test_the_foreground_takes_no_lock(tmp_path):
    with running(foreground=True, pidfile=tmp_path / "zuul.pid"):
        assert list(tmp_path.iterdir()) == []


class TestSignalQueue:
    def test_signals_arrive_as_values_in_order(self):
        with SignalQueue([signal.SIGUSR1, signal.SIGHUP]) as signals:
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGHUP)
            assert signals.wait(1) is signal.SIGUSR1
            assert signals.wait(1) is signal.SIGHUP

    def test_the_wait_ends(self):
        with SignalQueue([signal.SIGUSR1]) as signals:
            assert signals.wait(0.001) is None

    def test_one_that_is_looked_for_leaves_all_in_their_order(self):
        with SignalQueue([signal.SIGUSR1, signal.SIGHUP]) as signals:
            assert not signals.is_coming(signal.SIGHUP, 0.001)
            signal.raise_signal(signal.SIGUSR1)
            assert not signals.is_coming(signal.SIGHUP, 0)
            signal.raise_signal(signal.SIGHUP)
            assert signals.is_coming(signal.SIGHUP, 0)
            assert signals.is_coming(signal.SIGHUP, 60)
            assert signals.wait(1) is signal.SIGUSR1
            assert signals.wait(1) is signal.SIGHUP
            assert signals.wait(0.001) is None

    def test_the_old_handlers_come_back(self):
        before = signal.getsignal(signal.SIGUSR1)
        with SignalQueue([signal.SIGUSR1]):
            assert signal.getsignal(signal.SIGUSR1) is not before
        assert signal.getsignal(signal.SIGUSR1) is before

    def test_a_thread_can_stand_in_for_a_signal(self):
        with SignalQueue([]) as signals:
            signals.put(signal.SIGTERM)
            assert signals.wait(1) is signal.SIGTERM


def test_s156_the_stack_dump_names_every_thread(caplog):
    caplog.set_level(logging.DEBUG, "zuul.stack_dump")
    go = threading.Event()
    thread = threading.Thread(target=go.wait, args=(30,), name="patient", daemon=True)
    thread.start()
    dump_stacks()
    go.set()
    thread.join()
    messages = [record.getMessage() for record in caplog.records]
    assert all(message.startswith("Thread: ") for message in messages)
    patient = next(message for message in messages if "patient" in message)
    assert "daemon" in patient
    assert "in wait" in patient
    assert any("test_s156" in message for message in messages)
