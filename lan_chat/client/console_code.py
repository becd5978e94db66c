"""The question for a room's code on a console, and what becomes of a connection for want of the right one.

Main thread only, before there is a window: to make a key of a code takes 0.1 s.
"""

from __future__ import annotations

from lan_chat import secure
from lan_chat.client.answers import is_yes
from lan_chat.client.entering import Target, key_for, lacks_code, may_be_open, place_of, question_open
from lan_chat.client.link import CodeError, CodeFault, UnreachableError, code_needs_python
from lan_chat.client.search import search_after_break
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.words import LANGUAGES, ClientWords
from lan_chat.code import key_of, parse_code


def ask_code(words: ClientWords) -> bytes | None:
    """Ask for a code until what is typed may be one; return its key, None for Enter alone.

    Raises EOFError where the input has ended, RuntimeError where there is no console.
    """
    while answer := input(words.ask_code).strip():
        code = parse_code(answer)
        if code is not None:
            return key_of(code)
        print(words.code_form)
    return None


def reach(target: Target, settings: Settings) -> Session | None:
    """Return a session that is connected, with the room's code, for which the user is asked where that is needed.

    None where the user does not want to enter. Raises UnreachableError; EOFError where the input has ended.
    """
    words, keys = LANGUAGES[settings.language], settings.code_keys
    key, needs_code = key_for(target, settings), lacks_code(target, settings)
    why = words.code_needed
    while True:
        if needs_code and key is None:
            if not secure.IS_AVAILABLE:
                raise UnreachableError(code_needs_python(words))
            print(f"{why} {words.code_back}")
            key = ask_code(words)
            if key is None:
                return None
        session = Session(*place_of(target), settings.language, key, new_search=search_after_break)
        try:
            session.connect()
        except CodeError as error:
            if error.fault in (CodeFault.NEEDED, CodeFault.WRONG):
                needs_code, why = True, str(error)
                keys.forget(key)
            elif error.fault is CodeFault.NONE and may_be_open(target, settings) and _wants_open(target, settings):
                needs_code = False
            else:
                raise
            key = None
        else:
            return session


def _wants_open(target: Target, settings: Settings) -> bool:
    """Return whether the user wants to enter a room without a code, where one had a code. Raises EOFError."""
    print(question_open(target, settings))
    return is_yes(input(LANGUAGES[settings.language].yes_or_no))
