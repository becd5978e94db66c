"""What every test has: a server to talk to, a screen to draw on, and a check that nothing is left behind."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lan_chat import secure
from lan_chat.process import UDP_PORT_VARIABLE
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from tests.support.servers import limits
from tests.support.waiting import wait_until
from tools import xvfb

try:
    import tkinter as tk
except ImportError:
    tk = None  # type: ignore[assignment]


def pytest_report_header() -> str:
    return "rooms with a code: " + ("tested" if secure.IS_AVAILABLE else "not tested, Python 3.13 is needed (psk)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take away the tests of rooms with a code where this Python cannot have one; begin with what takes longest.

    The latter where files are run beside each other: one worker would wait for the other at the end.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.get_closest_marker("executable") is None)
    if not secure.IS_AVAILABLE and (without := [item for item in items if item.get_closest_marker("psk")]):
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was skipped has not been run, and CI fails; elsewhere than on Linux a system's own limits count."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None:
        return
    reasons = [report.longrepr[2] for report in reporter.stats.get("skipped", [])]  # (file, line, reason)
    limits = () if sys.platform == "linux" else ("wine ", "Windows ", "POSIX ", "Linux")
    if unaccepted := [reason for reason in reasons if not any(limit in reason for limit in limits)]:
        reporter.write_line(f"Tests were skipped, which CI does not accept: {unaccepted}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have all windows of a test freed by this thread: Tcl ends the process when another one happens to do it."""
    if "display" not in getattr(item, "fixturenames", ()):
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.enable()


@pytest.fixture(autouse=True)
def nothing_left_behind(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread running, logs an error or raises in a Tk callback."""
    before = set(threading.enumerate())
    raised: list[str] = []
    if tk is not None:
        monkeypatch.setattr(
            tk.Tk, "report_callback_exception", lambda _root, _kind, error, _tb: raised.append(repr(error))
        )

    def left() -> set[threading.Thread]:
        return set(threading.enumerate()) - before

    yield
    wait_until(lambda: not left(), lambda: f"threads that never ended: {left()}")
    assert not raised, f"raised in a Tk callback: {raised}"
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not errors, f"logged as errors: {errors}"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder for the settings of each test, which its processes inherit, and none of its user's."""
    # Not `tmp_path`: pytest would keep the folders of thousands of tests, and clear them away run by run.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in ("XDG_CONFIG_HOME", "APPDATA", *(["HOME"] if sys.platform == "darwin" else [])):
            monkeypatch.setenv(name, folder)
        monkeypatch.setenv(UDP_PORT_VARIABLE, "0")  # nobody's rooms are found by tests, and no test's by anybody
        yield Path(folder)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server with one room, in this process: no limit on how fast one may talk, and whose link breaks has left."""
    server = ChatServer(open_listener("127.0.0.1", 0), limits(rate=0, grace_s=0.0, backlog=0))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A screen of the tests' own; on Windows and macOS, which cannot have a second one, the user's."""
    if tk is None:
        pytest.skip("this Python has no tkinter")
    if sys.platform in ("win32", "darwin"):
        yield
        return
    if not xvfb.is_there():
        pytest.skip("there is no Xvfb to make a screen with (Debian: apt install xvfb)")
    with xvfb.virtual_screen():
        yield


@pytest.fixture
def root(display: None) -> Iterator[tk.Tk]:
    """A real window; the test, or what it tests, may destroy it."""
    root = tk.Tk()
    yield root
    with contextlib.suppress(tk.TclError):  # it may have been closed already
        root.destroy()
