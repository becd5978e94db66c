"""The console and a room with a code: when it is asked for, and what becomes of a wrong one."""

from __future__ import annotations

import builtins
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import chat_client
from lan_chat import secure
from lan_chat.client import console_code
from lan_chat.client.console_code import reach
from lan_chat.client.link import UnreachableError
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings, load_settings
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.code import key_of
from lan_chat.rooms import Remembered
from lan_chat.server.server import ChatServer
from protocol import Joined
from tests.support.coded_front import CODE, OTHER_CODE, CodedFront, found_at
from tests.support.played_server import Play
from tests.support.sessions import events_until
from tests.support.waiting import wait_until

QUESTION = "Codice della stanza: "
HERE = "127.0.0.1"

Answer = Callable[..., list[str]]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Say what is answered to the questions, and take these."""

    def answer(*answers: str) -> list[str]:
        questions: list[str] = []
        rest = iter(answers)

        def ask(question: str) -> str:
            questions.append(question)
            if (given := next(rest, None)) is None:
                raise EOFError
            return given

        monkeypatch.setattr(builtins, "input", ask)
        return questions

    return answer


def close(session: Session | None) -> Session:
    assert session is not None
    session.close()
    return session


def had_code(port: int, room_id: str = "a") -> Settings:
    return Settings(rooms=(Remembered(room_id, "Aula 3", HERE, port, had_code=True),))


@pytest.mark.psk
@pytest.mark.parametrize("typed", [CODE, " BABA coco-Didi – fo fo ", "\u200bbaba‑coco‑didi‑fofo"])
def test_the_code_is_asked_for_when_the_server_wants_one_and_its_form_is_forgiven(
    answer: Answer, coded_front: CodedFront, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answer(HERE, str(coded_front.port), typed)
    session = close(chat_client.connect_by_console(None, None, Settings()))
    assert questions == ["Inserire il Server host: ", "Inserire la porta del server host: ", QUESTION]
    assert session.code_key == coded_front.key
    assert ITALIAN.code_needed in capsys.readouterr().out


@pytest.mark.psk
@pytest.mark.parametrize("words", [ITALIAN, ENGLISH])
def test_a_wrong_code_is_said_in_words_and_asked_again(
    answer: Answer, coded_front: CodedFront, words: object, capsys: pytest.CaptureFixture[str]
) -> None:
    language = "it" if words is ITALIAN else "en"
    said = ITALIAN if words is ITALIAN else ENGLISH
    questions = answer("my code", OTHER_CODE, CODE)
    close(chat_client.connect_by_console(HERE, coded_front.port, Settings(language=language)))
    assert questions == [said.ask_code] * 3
    out = capsys.readouterr().out
    places = [out.index(text) for text in (said.code_needed, said.code_form)]
    places.append(out.index(said.code_wrong.format(host=HERE, port=coded_front.port)))
    assert places == sorted(places)


@pytest.mark.psk
def test_enter_alone_goes_back_to_the_question_for_the_server(
    answer: Answer, coded_front: CodedFront, play: Play
) -> None:
    questions = answer("", "", "")
    with pytest.raises(EOFError):
        chat_client.connect_by_console(HERE, coded_front.port, Settings(host=HERE, port=coded_front.port))
    assert questions == [QUESTION, "Inserire il Server host: ", QUESTION, "Inserire il Server host: "]


@pytest.mark.psk
def test_a_room_that_was_found_with_a_code_is_never_spoken_to_without(answer: Answer, coded_front: CodedFront) -> None:
    questions = answer(CODE)
    close(reach(found_at(coded_front.port), Settings()))
    assert questions == [QUESTION]
    assert b"hello" not in coded_front.heard


@pytest.mark.psk
def test_where_a_room_had_a_code_it_is_asked_for_before_a_word_is_said(answer: Answer, coded_front: CodedFront) -> None:
    questions = answer(CODE)
    close(reach((HERE, coded_front.port), had_code(coded_front.port)))
    assert questions == [QUESTION]
    assert b"hello" not in coded_front.heard


@pytest.mark.psk
def test_a_code_is_remembered_by_the_program_and_in_no_file(
    answer: Answer, coded_front: CodedFront, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "settings.json"
    settings, _ = load_settings(path)
    questions = answer(CODE)
    session = reach(found_at(coded_front.port), settings)
    assert session is not None
    session.start()
    session.join("Ada")
    events_until(session, Joined)
    remembered = session._room
    settings.code_keys.keep(session.code_key or b"", remembered)
    settings.remember(remembered)
    session.close()
    close(reach(found_at(coded_front.port, room_id=remembered.id), settings))  # asked only once
    close(reach((HERE, coded_front.port), settings))
    assert questions == [QUESTION]
    kept = path.read_text("utf-8")
    assert json.loads(kept)["rooms"][0]["had_code"] is True
    for place in (kept, repr(settings), caplog.text, repr(session)):
        for secret in (CODE, CODE[:4] + "-" + CODE[4:8], coded_front.key.hex(), repr(coded_front.key)):
            assert secret not in place


@pytest.mark.psk
@pytest.mark.parametrize(("says", "enters"), [("sì", True), ("", False)])
def test_an_open_server_in_the_place_of_a_room_with_a_code_is_entered_only_after_a_question(
    answer: Answer, server: ChatServer, says: str, enters: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answer(CODE, says)
    settings = had_code(server.port)
    if enters:
        assert close(reach((HERE, server.port), settings)).code_key is None
    else:
        with pytest.raises(UnreachableError):
            reach((HERE, server.port), settings)
    assert questions == [QUESTION, ITALIAN.yes_or_no]
    assert ITALIAN.room_open.format(room="Aula 3") in capsys.readouterr().out


@pytest.mark.psk
@pytest.mark.usefixtures("display")
def test_who_gave_a_code_on_the_command_line_enters_no_open_server(
    answer: Answer, server: ChatServer, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = answer()
    status = chat_client.main(["--code", "Baba-coco-didi-fofo", HERE, str(server.port)])
    assert status == 2
    assert questions == ["Inserire il Server host: "]
    out = capsys.readouterr().out
    assert ITALIAN.code_not_here.format(host=HERE, port=server.port) in out
    wait_until(lambda: not server.room.connections())


@pytest.mark.psk
def test_a_code_on_the_command_line_opens_the_room_unasked(answer: Answer, coded_front: CodedFront) -> None:
    questions = answer()
    settings = Settings()
    settings.code_keys.given, settings.code_keys.is_required = key_of(CODE), True
    assert close(chat_client.connect_by_console(HERE, coded_front.port, settings)).code_key == coded_front.key
    assert questions == []


@pytest.mark.psk
def test_a_hyphen_on_the_command_line_has_the_code_asked_for(answer: Answer) -> None:
    questions = answer("", "x", CODE)
    settings = Settings()
    assert chat_client.ask_given_code(settings)
    assert questions == [QUESTION] * 3
    assert settings.code_keys.given == key_of(CODE)


@pytest.mark.psk
def test_what_is_no_code_is_said_on_the_command_line_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_client.parse_arguments(["--code", "secret-word", "--lang", "en"])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert ENGLISH.code_form in err
    assert "secret" not in err


@pytest.mark.parametrize("code", [CODE, "-", ""])
def test_before_python_3_13_the_command_line_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    monkeypatch.setattr(secure, "IS_AVAILABLE", False)
    with pytest.raises(SystemExit) as ended:
        chat_client.parse_arguments(["--code", code])
    assert ended.value.code == 2
    assert "serve Python 3.13" in capsys.readouterr().err


def test_before_python_3_13_a_room_with_a_code_is_not_asked_for_it(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secure, "IS_AVAILABLE", False)
    questions = answer()
    with pytest.raises(UnreachableError, match=r"serve Python 3\.13"):
        reach(found_at(9), Settings())
    assert questions == []


def test_the_key_is_made_of_the_letters_alone(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_code, "key_of", lambda code: code.encode())
    answer("BABA-COCO DIDI-FOFO")
    assert console_code.ask_code(ITALIAN) == CODE.encode()
