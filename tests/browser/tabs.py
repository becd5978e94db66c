"""The tabs of a browser, and what a test does and sees in one."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.support.waiting import DEADLINE_S

EXPECTED = ("status of 503", "status of 4", "net::ERR_", "ERR_INCOMPLETE_CHUNKED")
"""What a browser notes of requests that fail, which tests have happen; anything else is a fault of the page."""

ROWS = """
    return [...document.querySelectorAll("#rows .row")].map((row) =>
        (row.querySelector(".who bdi, .unseen bdi").textContent) + ": " + row.querySelector(".text").textContent)
"""

ASK_ALL = """{
    const wait = setTimeout
    let first = %d
    window.tabsBeside = 0
    window.setTimeout = (wake, ms, ...more) => {
        const beside = first
        if (typeof ASK_MS === "undefined" || ms !== ASK_MS || !(beside || tabsBeside)) return wait(wake, ms, ...more)
        first = 0
        const look = () => answers.length < (beside || tabsBeside) ? wait(look, 5) : wake()
        look()
    }
}"""
"""Has a page that asks the tabs beside it wait until so many have answered; on a busy machine ASK_MS may be too short.

So it is for the first question, by which it learns whether it is another guest, and for all while `tabsBeside` says how
many there are.
"""

IS_ASKED = "return location.origin === arguments[0] && typeof channel === 'object' && channel.onmessage !== null"
"""Whether a page answers to one of this origin that asks."""


class Browser:
    """A browser, with the tabs that a test has opened."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._home = driver.current_window_handle
        self._origins: set[str] = set()
        """Where it has been, and may have kept something."""

    def open(self, port: int) -> Tab:
        """Open the page in a window of its own."""
        return self.visit(f"http://127.0.0.1:{port}/")

    def visit(self, address: str) -> Tab:
        """Open any page in a window of its own; one of the chat waits until all tabs beside it have answered it."""
        origin = address.rpartition("/")[0]
        self._origins.add(origin)
        beside = self._count_asked(origin)
        self.driver.switch_to.new_window("window")
        tab = Tab(self.driver, self.driver.current_window_handle)
        script = tab.command("Page.addScriptToEvaluateOnNewDocument", source=ASK_ALL % beside)
        tab.load(address)
        tab.command("Page.removeScriptToEvaluateOnNewDocument", **script)  # when it is loaded anew, there may be fewer
        return tab

    def _count_asked(self, origin: str) -> int:
        """Return how many tabs answer to a new one of this origin."""
        count = 0
        for handle in self.driver.window_handles:
            self.driver.switch_to.window(handle)
            count += bool(self.driver.execute_script(IS_ASKED, origin))
        return count

    def join(self, port: int, name: str) -> Tab:
        """Open the page and come in under a name."""
        tab = self.open(port)
        tab.choose(name)
        tab.see(f"Benvenuto {name}!")
        return tab

    def close_tabs(self) -> None:
        for handle in self.driver.window_handles:
            if handle != self._home:
                self.driver.switch_to.window(handle)
                self.driver.close()
        self.driver.switch_to.window(self._home)

    def forget(self) -> None:
        """Forget what pages have kept: a later server may have the port of an earlier one, and be the same origin."""
        for origin in self._origins:
            self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self._origins.clear()

    def complaints(self) -> list[str]:
        """Return what the browser has noted against a page: an exception, a policy that was not kept."""
        noted = [entry["message"] for entry in self.driver.get_log("browser")]
        return [message for message in noted if not any(expected in message for expected in EXPECTED)]


class Tab:
    """One tab; every method comes back when what it waits for is there, or fails with what the page shows."""

    def __init__(self, driver: Any, handle: str) -> None:
        self.driver = driver
        self._handle = handle

    def load(self, address: str) -> None:
        self._switch()
        self.driver.get(address)

    def reload(self) -> None:
        self._switch()
        self.driver.refresh()

    def load_again(self) -> None:
        """Reload a page until it is there, as a browser with a screen does by itself: see `lan_chat/server/spares.py`.

        Only after a page that was refused: what a browser had opened beside it may have been greeted.
        """
        deadline = time.monotonic() + DEADLINE_S
        self.reload()
        while "ERR_INVALID_HTTP_RESPONSE" in self.text and time.monotonic() < deadline:
            self.reload()

    def back(self) -> None:
        self._switch()
        self.driver.back()

    def close(self) -> None:
        self._switch()
        self.driver.close()
        self.driver.switch_to.window(self.driver.window_handles[0])  # the next command needs one that is there

    def hide(self, is_hidden: bool = True) -> None:
        """Have the page believe that it is hidden, or shown: a browser without a screen hides none."""
        self.run(
            "Object.defineProperty(document, 'hidden', {configurable: true, value: arguments[0]});"
            "document.dispatchEvent(new Event('visibilitychange'))",
            is_hidden,
        )

    def expect_answers(self, count: int) -> None:
        """Have the page wait, whenever it asks the tabs beside it, until so many have answered."""
        self.run("tabsBeside = arguments[0]", count)

    def run(self, script: str, *arguments: object) -> Any:
        self._switch()
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str, *arguments: object) -> Any:
        """Run a script that calls its last argument with what it returns."""
        self._switch()
        return self.driver.execute_async_script(script, *arguments)

    def command(self, name: str, **parameters: object) -> Any:
        """Carry out a command of the browser's own protocol (CDP)."""
        self._switch()
        return self.driver.execute_cdp_cmd(name, parameters)

    def until(self, condition: str, *arguments: object) -> Any:
        """Wait until an expression is true in the page, and return it."""
        deadline = time.monotonic() + DEADLINE_S
        while not (value := self.run(f"return ({condition})", *arguments)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{condition} {arguments} never came true; the page shows:\n{self.text}")
            time.sleep(0.01)
        return value

    @property
    def text(self) -> str:
        return str(self.run("return document.title + '\\n' + document.body.innerText"))

    def see(self, text: str) -> None:
        self.until("document.body.innerText.includes(arguments[0])", text)

    def miss(self, text: str) -> None:
        """Wait until a text is no longer shown."""
        self.until("!document.body.innerText.includes(arguments[0])", text)

    def choose(self, name: str) -> None:
        self.until("document.querySelector('#naming').checkVisibility()")
        self._fill("name", name)
        self.run("document.querySelector('#naming').requestSubmit()")

    def write(self, text: str) -> None:
        """Write a message without sending it."""
        self.until("document.querySelector('#composer').checkVisibility()")
        self._fill("text", text)

    def say(self, text: str) -> None:
        self.write(text)
        self.run("document.querySelector('#composer').requestSubmit()")

    def type(self, *keys: str) -> None:
        """Type keys where the focus is, as a person does."""
        self._switch()
        self.driver.switch_to.active_element.send_keys(*keys)

    def click(self, what: str) -> None:
        """Click the button that shows this text."""
        is_it = "(one) => one.textContent === arguments[0] && one.checkVisibility()"
        find = f"[...document.querySelectorAll('button')].find({is_it})"
        self.until(f"((one) => one && (one.click(), true))({find})", what)  # at once: it may be gone in a moment

    def rows(self) -> list[str]:
        """Return what was said, in order: `NAME: TEXT`, one's own name as `NAME (tu)`."""
        return list(self.run(ROWS))

    def focused(self) -> str:
        return str(self.run("return document.activeElement.id"))

    def _fill(self, field: str, text: str) -> None:
        self.run(
            f"const field = document.getElementById({json.dumps(field)}); field.value = arguments[0];"
            "field.dispatchEvent(new Event('input', {bubbles: true}))",
            text,
        )

    def _switch(self) -> None:
        self.driver.switch_to.window(self._handle)
