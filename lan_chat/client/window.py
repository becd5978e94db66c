"""The chat window: it connects the widgets with each other and with the session.

Main thread only, the one that runs Tk. When there are any the window takes the session's events out of their queue, for
a bounded time. `close` leaves the chat and destroys the root window; `Session.close`, called by the program, ends the
threads and the socket.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
import tkinter as tk
from collections.abc import Iterable, Iterator
from pathlib import Path

import protocol
from lan_chat.client.actions import Commands, Here, Menu
from lan_chat.client.attention import Attention
from lan_chat.client.browser_link import browser_link
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.desktop import drawable, open_link, restore_geometry
from lan_chat.client.desktop_theme import DesktopTheme
from lan_chat.client.end_banner import Choices
from lan_chat.client.entries import Entry, Kind
from lan_chat.client.file_dialogs import choose_file_to_save, set_dialog_language
from lan_chat.client.header import Situation
from lan_chat.client.help_window import HelpWindow
from lan_chat.client.keyboard import select_all, send_typing_to
from lan_chat.client.layout import Calls, Layout
from lan_chat.client.membership import LinkNotOpened, Membership, Screen, leave
from lan_chat.client.menus import Menus
from lan_chat.client.palette import SYSTEM_THEME, Palette, palette_of
from lan_chat.client.qr_window import QrWindow
from lan_chat.client.session import LinkBroken, Session
from lan_chat.client.settings import MAX_FONT_SIZE, MIN_FONT_SIZE, Settings, write_whole
from lan_chat.client.status_line import Ways
from lan_chat.client.theme import set_font_sizes, set_title_bar, style_widgets, usual_font_sizes
from lan_chat.client.wakeup import Wakeup
from lan_chat.client.whereabouts import RoomMoved
from lan_chat.client.words import LANGUAGES
from protocol import Quit

DRAIN_S = 0.008
"""The longest time that one drain takes events, so that a flood never freezes the window; to draw them takes as much
again."""
DRAIN_CHARACTERS = 32 * 1024
"""The most text that one drain shows, since Tk takes long to lay text out."""
CLOSE_MS = 5000
"""How long the window stays after the server's `{end_conn}`; the sentence that announces it says five seconds."""


class ChatWindow:
    """The conversation above, the message input below, and the list of people at the side. Main thread only."""

    def __init__(self, root: tk.Tk, session: Session, settings: Settings, name: str = "") -> None:
        self.wants_to_close = False
        """Set by a signal handler, which must not touch Tk."""
        self.settings = settings
        self._root = root
        self.session = session
        self._words = LANGUAGES[settings.language]
        # The name is the command line's, which may contain anything.
        self.membership = Membership(session, settings, self._screen(), protocol.clean_text(name))
        self._wakeup = Wakeup(root, self._drain)
        self._desktop_theme = DesktopTheme(root, self._on_desktop_theme)
        self._retry_id = ""
        self._build()
        self._listen()
        self._dialogs = 0
        """How many dialogs are open."""
        self._connect_dialog: ConnectDialog | None = None
        self._save_folder: Path | None = None
        """The folder that was saved to, where the next dialog begins."""
        self._is_closed = False

    def close(self) -> None:
        """Leave the chat and destroy the window. Does not wait for the network: `Session.close` does."""
        self.session.quit()
        if self._is_closed:
            return
        self._is_closed = True
        self._wakeup.close()
        self._desktop_theme.close()
        if self._retry_id:
            self._root.after_cancel(self._retry_id)
        self._end_banner.cancel()
        if self._connect_dialog is not None:
            self._connect_dialog.close()
        if self._root.state() == "normal":  # else it would be restored in the maximized size, but not maximized
            self.settings.geometry = self._root.geometry()
        self._root.destroy()

    def submit(self) -> None:
        """Act on the message input: ask for a name, send a message, or leave. What cannot be sent stays in it."""
        draft = self.message_input.draft
        # What is kept aside may be so large that to clean it would take a while.
        is_huge = self.message_input.is_kept_aside and protocol.is_too_long(draft)
        text = draft if is_huge else protocol.clean_text(draft)
        if isinstance(protocol.CONTROL_WORDS.get(text), Quit):
            self.close()
        elif not text.strip():
            self.message_input.draft = ""
        elif not self.membership.is_connected:
            self.membership.show_disconnected()
            self.conversation.show_latest()  # the answer is there, wherever the user was reading
        elif protocol.is_too_long(text):
            size, limit = len(text.encode()), protocol.MAX_MESSAGE_BYTES
            self._tell(self._words.draft_too_long.format(size=size, over=size - limit, limit=limit), Kind.ERROR)
            self.conversation.show_latest()
        elif text.count("\n") >= protocol.MAX_MESSAGE_LINES:
            count, limit = 1 + text.count("\n"), protocol.MAX_MESSAGE_LINES
            self._tell(self._words.draft_too_many_lines.format(count=count, limit=limit), Kind.ERROR)
            self.conversation.show_latest()
        elif self.membership.name or self.session.is_bare:
            if self.membership.say(text):  # else it stays, and an event that waits says why
                self.message_input.add_said(text)
                self.conversation.show_latest()
        elif not self.membership.asked_name:  # else it is not known yet whether this is a name or a message
            self.message_input.draft = ""
            self.membership.ask_for(text)

    def save(self) -> None:
        """Ask for a file, and save the conversation to it."""
        chosen = None
        with self._dialog():
            chosen = choose_file_to_save(self._root, self._words, self._save_folder)
        if chosen and not self._is_closed:
            self._save_folder = chosen.parent
            self.save_as(chosen)

    def save_as(self, path: Path) -> None:
        """Save the conversation to a file, and show whether that succeeded."""
        try:
            write_whole(path, self.conversation.as_text())
            self._tell(self._words.saved.format(file=path))
        except OSError as error:
            self._tell(self._words.cannot_save.format(file=path, error=error.strerror or error), Kind.ERROR)
        self.conversation.show_latest()

    def connect(self, why_code: str = "") -> None:
        """Ask for another room, and go on in it with this window; until one is reached, the session goes on.

        `why_code`: it is the code of this room that is asked for, for this reason.
        """
        if self._is_closed:
            return
        trouble, place = self.membership.code_trouble, (self.session.host, self.session.port)
        if trouble is not None and trouble.wants_code:  # also where the user put off entering it
            why_code = why_code or trouble.sentence
        if self._connect_dialog is not None:
            if why_code:
                self._connect_dialog.note_end(place, why_code)
            self._connect_dialog.focus()
            return
        above = tk.Toplevel(self._root)
        above.transient(self._root)
        set_title_bar(above, self._palette)
        member = self.membership
        current = member.room if member.is_connected and trouble is None and not why_code else None
        host, port = (place[0], str(place[1])) if why_code else ("", "")
        name = member.name or member.asked_name or self.settings.name
        self._connect_dialog = dialog = ConnectDialog(
            above, self.settings, host, port, name=name, current=current, why_code=why_code
        )
        with self._dialog():
            dialog.run()
        session, self._connect_dialog = dialog.session, None
        if session is None:
            if not self._is_closed:
                self._focus_input()  # not every window manager gives the focus back
            return
        if self._is_closed:  # while another dialog, which was opened later, kept this one from returning
            session.close()
            return
        above.destroy()
        self._go_on_with(session, dialog.name)

    def change_font_size(self, step: int) -> None:
        """Change the size of all text by `step` points; 0 for the system's own size."""
        size = self.settings.font_size or self._usual_sizes["TkTextFont"]
        self.settings.font_size = max(MIN_FONT_SIZE, min(MAX_FONT_SIZE, size + step)) if step else 0
        self.settings.save()
        self._apply_theme()

    # Widgets, language and theme.

    def _build(self) -> None:
        root = self._root
        self._usual_sizes = usual_font_sizes(root)
        set_font_sizes(root, self._usual_sizes, self.settings.font_size)
        style_widgets(root, self._palette)
        root.protocol("WM_DELETE_WINDOW", self.close)
        calls = Calls(
            submit=self.submit,
            ways=Ways(self._retry, self._follow, self._refuse),
            toggle_people=self._toggle_people,
            address=self._address,
            focus_input=self._focus_input,
            leave_input=self._leave_input,
            other_names=self._other_names,
            open_link=self._open_link,
        )
        choices = Choices(save=self.save, connect=self.connect, close=self.close, is_busy=self._is_busy)
        self._layout = layout = Layout(root, (self.session.host, self.session.port), self._words, calls, choices)
        self._status_line, self._end_banner = layout.status_line, layout.end_banner
        self.status, self.retry_button = layout.status_line.label, layout.status_line.button
        self.conversation = layout.conversation
        self.conversation.text.tag_bind("action", "<ButtonRelease-1>", self._on_pending_action)
        self.find_bar, self.people = layout.find_bar, layout.people
        self.message_input, self.button = layout.message_input, layout.button

        self._attention = Attention(root, self.session.host)
        self._help = HelpWindow(root, self.settings, lambda: self._palette)
        self._qr = QrWindow(root, self.settings, lambda: self._palette)
        self._menus = Menus(root, self._commands(), self.settings)
        self._menus.attach(self.conversation.text, Menu.ON_CONVERSATION, self._look_at_conversation)
        self._menus.attach(self.message_input.text, Menu.ON_INPUT, self._look_at_input)
        self._set_language()
        self._apply_theme()
        send_typing_to(root, self.message_input.text, self.message_input.insert)
        self._menus.bind_keys(self.message_input.text)
        restore_geometry(root, self.settings.geometry)
        self.message_input.text.focus_set()

    def _set_language(self) -> None:
        """Set all texts of the window to the language of the settings."""
        words = self._words
        set_dialog_language(self._root, self.settings.language)
        self._menus.set_language(words)
        self._layout.set_language(words)
        self._show_status()
        self._wakeup.request()

    def _apply_theme(self) -> None:
        """Apply the theme and the font size of the settings."""
        palette = self._palette
        if self.settings.theme == SYSTEM_THEME:
            self._desktop_theme.ask()
        set_font_sizes(self._root, self._usual_sizes, self.settings.font_size)
        style_widgets(self._root, palette)
        self._layout.apply_theme(palette)
        self._menus.apply_theme(palette)

    @property
    def _palette(self) -> Palette:
        return palette_of(self.settings.theme, self._desktop_theme.is_dark)

    def _on_desktop_theme(self) -> None:
        """Apply the theme that the desktop has, where that is wanted and it is the other one."""
        if self.settings.theme == SYSTEM_THEME and self._desktop_theme.is_dark:
            self._apply_theme()

    def _commands(self) -> Commands:
        """Return what the menus and keys call."""
        box = self.message_input.text
        return Commands(
            save=self.save,
            send_again=lambda number: self.membership.send_again(number),
            discard=lambda number: self.membership.discard(number),
            retry=self._retry,
            connect=self.connect,
            show_phones=self._show_phones,
            close=self.close,
            edit=self._edit,
            edit_input=box.event_generate,
            select_input=lambda: box.tag_add("sel", "1.0", "end-1c"),
            copy=self.conversation.copy,
            select_all=lambda: select_all(self._root, box, self.conversation.select_all),
            select_conversation=self.conversation.select_all,
            open_find_bar=self.find_bar.open,
            find_next=self.find_bar.step,
            open_link=self._open_link,
            open_last_link=self._open_last_link,
            show_latest=self.conversation.show_latest,
            escape=self._on_escape,
            scroll=lambda pages: self.conversation.text.yview_scroll(pages, "pages"),
            focus_next=self._focus_next,
            change_font_size=self.change_font_size,
            apply_settings=self._apply_settings,
            show_keys=self._help.show_keys,
            show_about=self._help.show_about,
        )

    def _screen(self) -> Screen:
        """Return what the membership calls."""
        return Screen(
            show=self._show,
            show_rule=lambda text: self.conversation.add_rule(text),
            show_pending=self._show_pending,
            show_status=self._show_status,
            show_broken=self._show_broken,
            show_moved=self._show_moved,
            show_address=self._show_address,
            show_linked=self._show_linked,
            show_room=self._show_room,
            add_person=self._add_person,
            remove_person=self._remove_person,
            call_user=lambda: self._attention.call(self.settings.has_sound),
            draft=lambda: self.message_input.draft,
            give_back=lambda text, is_selected: self.message_input.give_back(text, is_selected),
            ask_code=self._ask_code,
            show_end=self._show_end,
        )

    def _look_at_conversation(self, index: str) -> Here:
        """Return what a context menu of the conversation is opened on."""
        action = self.conversation.pending_action_at(index)
        return Here(
            is_selected=bool(self.conversation.text.tag_ranges("sel")),
            link=self.conversation.link_at(index),
            has_failed=bool(self.membership.failed),
            failed=None if action is None else action[1],
        )

    def _look_at_input(self, index: str) -> Here:
        return Here(is_selected=self.message_input.has_selection)

    def _edit(self, event: str) -> None:
        """Send an event of the Edit menu to the widget that has the focus."""
        focused = self._root.focus_get()
        if focused is not None:
            focused.event_generate(event)

    def _apply_settings(self) -> None:
        """Apply and keep the settings that the menus change."""
        self.settings.save()
        if self._words is not LANGUAGES[self.settings.language]:
            self._words = LANGUAGES[self.settings.language]
            self._set_language()
        self._apply_theme()
        self._help.refresh()
        self._qr.refresh()
        self._show_people()

    # Actions of the user.

    def _address(self, name: str) -> None:
        self.message_input.address(name)

    def _focus_input(self) -> None:
        self.message_input.text.focus_set()

    def _other_names(self) -> list[str]:
        return [name for name in self.people.names if name != self.membership.name]

    def _leave_input(self) -> None:
        self.button.focus_set()

    def _focus_next(self) -> None:
        """Move the focus from the message input to the conversation, to the list of people, and back."""
        stops: list[tk.Widget] = [self.message_input.text, self.conversation.text]
        if self.people.frame.winfo_ismapped():
            stops.append(self.people.list)
        focused = str(self._root.tk.call("focus"))
        places = [place for place, stop in enumerate(stops) if str(stop) == focused]
        stops[(places[0] + 1) % len(stops) if places else 0].focus_set()

    def _show_phones(self) -> None:
        """Show how a phone comes into the room, or why none can."""
        session, words = self.session, self._words
        if session.takes_browsers:
            if link := browser_link(session.address, session.port):
                self._qr.show(link, is_in_clear=session.code_key is not None)
                return
            reason = words.phones_no_address
        else:
            is_known = session.is_bare or session.takes_browsers is not None
            reason = words.phones_not_here if is_known else words.phones_wait
        self._tell(reason)
        self.conversation.show_latest()

    def _on_escape(self) -> None:
        if self.find_bar.frame.winfo_ismapped():
            self.find_bar.close()
        elif self._end_banner.is_counting:
            self._end_banner.stay()
        else:
            self.conversation.show_latest()
            self._focus_input()

    def _retry(self) -> None:
        self.session.retry()

    def _follow(self) -> None:
        """Go where the room is by now, as the banner says it."""
        if self._status_line.offer is not None:
            moved = RoomMoved(*self._status_line.offer)
            self.session.follow(moved)
            self._show_broken(LinkBroken(0.0, (moved.host, moved.port)))
            self._focus_input()

    def _refuse(self) -> None:
        """Stay where the room was."""
        if self._status_line.offer is not None:
            self.session.refuse(RoomMoved(*self._status_line.offer))
            self._show_moved(None)
            self._focus_input()

    @contextlib.contextmanager
    def _dialog(self) -> Iterator[None]:
        """Have the window wait for a dialog; where it is closed before the dialog, nothing has been chosen."""
        self._dialogs += 1
        try:
            yield
        except tk.TclError:
            if not self._is_closed:
                raise
        finally:
            self._dialogs -= 1

    def _is_busy(self) -> bool:
        """Return whether the user is in the middle of something, which closing the window would lose."""
        draft, membership = self.message_input.draft.strip(), self.membership
        is_writing = bool(draft) and (bool(membership.name) or draft != self.settings.name)  # that one was suggested
        is_choosing = self._dialogs > 0 or bool(self._root.tk.call("grab", "current"))  # also in a menu
        return is_writing or is_choosing or membership.has_unsent or self.find_bar.frame.winfo_ismapped()

    def _go_on_with(self, session: Session, name: str) -> None:
        """Leave a session, if it has not ended, and go on with a new one in the same window."""
        before = self.membership
        if before.is_connected:
            self._tell(self._words.has_left.format(room=before.room.name or before.room.host))
        # Its threads may take a while to end, and nobody has to wait for them.
        threading.Thread(target=leave, args=(self.session, session), name="close", daemon=True).start()
        self.session = session
        self.settings.host, self.settings.port = session.host, session.port
        self.membership = Membership(session, self.settings, self._screen(), name or before.name)
        self.membership.failed = before.failed
        self._end_banner.hide()
        self._show_address(session.host, session.port)
        self._show_room("")
        self._show_linked(())
        self._show_pending()
        self._focus_input()
        self._listen()
        session.start()

    def _on_pending_action(self, event: tk.Event[tk.Text]) -> None:
        action = self.conversation.pending_action_at(f"@{event.x},{event.y}")
        if action is not None:
            (self.membership.send_again if action[0] == "again" else self.membership.discard)(action[1])

    def _open_last_link(self) -> None:
        if self.conversation.last_link:
            self._open_link(self.conversation.last_link)

    def _open_link(self, link: str) -> None:
        open_link(link, lambda link: self.session.events.put(LinkNotOpened(link)))

    # Events of the session.

    def _listen(self) -> None:
        """Have the session's events handled, from now on."""
        self.session.events.ring = self._wakeup.ring
        self._wakeup.request()  # for those that are there already

    def _drain(self) -> bool:
        """Handle the events that wait, for a bounded time; return whether more are left."""
        if self.wants_to_close:
            self.close()
            return False
        self._attention.note_focus()
        self.conversation.note_place()
        deadline = time.perf_counter() + DRAIN_S
        has_more = False
        with contextlib.suppress(queue.Empty):
            while time.perf_counter() < deadline and self.conversation.waiting_characters < DRAIN_CHARACTERS:
                event = self.session.events.get_nowait()
                try:
                    self.membership.hear(event)
                except Exception:  # an event that cannot be shown must not stop the following ones
                    self._root.report_callback_exception(*sys.exc_info())
            has_more = True
        self.conversation.flush()
        return has_more or self.conversation.waiting_characters > 0

    # What the window shows.

    def _tell(self, text: str, kind: Kind = Kind.NOTICE) -> None:
        """Show a sentence of the client itself."""
        self._show(Entry(time.time(), kind, text))

    def _show(self, entry: Entry, is_news: bool = False) -> None:
        if is_news and self._attention.note_news():
            self.conversation.mark_left_off()
        if entry.kind in (Kind.NOTICE, Kind.ERROR):
            self._layout.naming.tell(entry.text if entry.text != self._words.greeting else "")
        self.conversation.add(entry, is_news)
        self._wakeup.request()

    def _show_pending(self) -> None:
        speaker = self.membership.name or "–"
        waiting = [(speaker, text, False) for text in self.membership.pending.values()]
        self.conversation.set_pending([*((speaker, text, True) for text in self.membership.failed), *waiting])
        self._wakeup.request()

    def _show_people(self) -> None:
        wanted = self._layout.fold_people(self.settings.shows_people)
        if wanted != self.settings.shows_people:
            self.settings.shows_people = wanted
            self._menus.show_choices()

    def _toggle_people(self) -> None:
        self.settings.shows_people = not self.settings.shows_people
        self.settings.save()
        self._show_people()
        self._menus.show_choices()

    def _show_linked(self, names: Iterable[str] | None) -> None:
        self._status_line.note_linked()
        if names is not None:
            self.people.set(names)
        self._show_people()
        self._show_status()

    def _show_room(self, room: str) -> None:
        room = drawable(self._root, room)
        self._layout.set_room(room)
        self._attention.set_room(room)

    def _show_broken(self, broken: LinkBroken) -> bool:
        was_broken = self._status_line.is_broken
        self._status_line.note_broken(broken.wait_s, broken.place)
        if self._retry_id:
            self._root.after_cancel(self._retry_id)
        self._count_to_retry()
        return was_broken

    def _show_moved(self, moved: RoomMoved | None) -> None:
        self._status_line.offer = None if moved is None else (moved.name, moved.host, moved.port)
        self._show_status()

    def _show_address(self, host: str, port: int) -> None:
        self._qr.close()  # it leads to where the user was
        self._layout.set_server(host, port)
        self._attention.set_host(host)

    def _count_to_retry(self) -> None:
        """Show for how many seconds there is no new try, as long as that changes."""
        self._retry_id = ""
        self._show_status()
        pause_ms = self._status_line.changes_in_ms
        if self.membership.is_connected and pause_ms:
            self._retry_id = self._root.after(pause_ms, self._count_to_retry)

    def _add_person(self, name: str) -> None:
        self.people.add(name)
        self._show_status()

    def _remove_person(self, name: str) -> None:
        self.people.remove(name)
        self._show_status()

    def _ask_code(self, why: str) -> None:
        self._root.after_idle(self.connect, why)  # not here: the dialog would hold up the events behind this one

    def _show_end(self, is_closing: bool) -> None:
        if is_closing:
            self._end_banner.count_down(CLOSE_MS)
        else:
            self._end_banner.stay()
        if self._connect_dialog is not None:
            self._connect_dialog.note_end()
        self._show_status()

    def _show_status(self) -> None:
        """Show how the link is, and whether the user has a name yet."""
        member, is_broken, people = self.membership, self._status_line.is_broken, len(self.people.names)
        self._layout.show(Situation(member.is_connected, is_broken, member.name, member.standing, people))
        self._layout.show_naming(member.is_naming, member.has_history, self._words)
