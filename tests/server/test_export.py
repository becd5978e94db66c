"""Exports of a history: text, tables, and attendance."""

from __future__ import annotations

import csv
import html
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat_server
from lan_chat.server.export import export_history, harmless
from lan_chat.server.history import Changes, Departure, History, RoomEvent
from lan_chat.server.membership import Member, token_key
from lan_chat.server.words import ENGLISH, ITALIAN, LANGUAGES, ServerWords
from protocol import Announcement, Joined, Left, Message, Quit, Reason, clean_text
from tests.support.histories import chatter, export, make_damaged, rows_of
from tests.support.peers import EventPeer, LinePeer, drain, texts_of
from tests.support.programs import ServerProgram
from tests.support.servers import Serve, recorded_room
from tests.support.spreadsheets import QUOTES, SEPARATORS, Spreadsheet, cells_of, is_formula
from tests.support.waiting import DEADLINE_S, wait_until

IT = ITALIAN


TRICKY = {
    "=1+1": "'=1+1",
    "+39 06": "'+39 06",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": " \u21e5 ’=1",
    "x;=1+1": "x;’=1+1",
    "ciao;=HYPERLINK(A1)": "ciao;’=HYPERLINK(A1)",
    "x, =1|=cmd|' /C calc'!A0": "x, ’=1|’=cmd|' /C calc'!A0",
    "=a\n=b": "'=a \u21b5 ’=b",
    " \u00a0\u200b=1": " \u00a0\u200b’=1",
    "\uff1d1+1;\u22121;%0A": "'\uff1d1+1;’\u22121;’%0A",
    "'=1": "'’=1",
    "----": "'----",
    'a,b;"c"': 'a,b;"c"',
    "due\nrighe": "due \u21b5 righe",
    "ñ \U0001f600 「字」": "ñ \U0001f600 「字」",
    "'già": "'già",
    "e-mail a=b ada@x.it": "e-mail a=b ada@x.it",
}
"""What is said, and what a cell holds of it."""
AS_TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?P<said>.*)|    \| (?P<further>.*)")


def test_what_was_said_comes_out_as_it_was_and_no_cell_is_a_formula(file: Path) -> None:
    with ServerProgram("--history", str(file)) as program, EventPeer(program.port, "=Ada") as ada:
        for text in TRICKY:
            ada.say(text)
        said = texts_of(ada.events_until(list(TRICKY)[-1]))
        with EventPeer(program.port, "Bob") as bob:
            bob.tell(Quit())
            drain(bob)
        ada.expect_event(Joined)
        ada.expect_event(Left)

        table, plain = file.with_suffix(".CSV"), file.with_name("storia.txt")
        assert export(file, table) == (0, IT.export_done.format(count=len(TRICKY) + 3, file=table) + "\n")
        assert table.read_bytes().startswith(b"\xef\xbb\xbf")
        cells = rows_of_table(table)
        assert cells[0] == ["id", "ora", "tipo", "nome", "testo"]
        assert [row[0] for row in cells[1:]] == [str(number) for number in range(1, len(TRICKY) + 4)]
        assert [row[2:4] for row in (cells[1], cells[-2], cells[-1])] == [
            ["entrata", "'=Ada"],
            ["entrata", "Bob"],
            ["uscita", "Bob"],
        ]
        assert [row[4] for row in cells if row[2] == "messaggio"] == [TRICKY[text] for text in said]

        assert export(file, plain)[0] == 0
        lines = [AS_TEXT.fullmatch(line) for line in plain.read_text(encoding="utf-8").split("\n")[:-1]]
        assert all(lines)
        wanted = [f'"=Ada": {text}' for text in said]
        wanted = ['* "=Ada" si è unito alla chat!', *"\n".join(wanted).split("\n")]
        wanted += ["* Bob si è unito alla chat!", "* Bob ha abbandonato la Chat."]
        assert [line["further"] if line["said"] is None else line["said"] for line in lines if line] == wanted

        assert export(file, table, "--attendance")[0] == 0
        rows = rows_of_table(table)
        assert rows[0] == ["nome", "prima presenza", "ultima presenza", "messaggi"]
        assert [(row[0], row[3]) for row in rows[1:]] == [("'=Ada", str(len(TRICKY))), ("Bob", "0")]
        ada.say("ancora")  # the server was not held up
        ada.events_until("ancora")
        program.process.kill()
        program.process.wait()
    assert export(file, plain)[1] == IT.export_done.format(count=len(TRICKY) + 4, file=plain) + "\n"  # nor the kill


def rows_of_table(table: Path, words: ServerWords = IT) -> list[list[str]]:
    with table.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.reader(opened, delimiter=words.table_separator, strict=True))


def make_record(file: Path, events: Sequence[RoomEvent], members: Sequence[tuple[str, int, int | None]] = ()) -> Path:
    """Write a history as an older server or a hostile hand may have left it; of a member its name, and its `id`s."""
    history = History(file, IT)
    arrivals = []
    for name, joined_id, _ in members:
        arrivals.append(Member(name, name.encode(), None))
        arrivals[-1].joined_id = joined_id
    ids = [left_id for *_, left_id in members]
    departures = [Departure(one, left_id) for one, left_id in zip(arrivals, ids, strict=True) if left_id is not None]
    history.write(Changes(events=[*events], arrivals=arrivals, departures=departures))
    history.close()
    return file


def lines_of(file: Path, words: ServerWords = IT, attendance: bool = False) -> list[str]:
    """The lines of an export as text, as a reader has them that knows every line break there is."""
    plain = file.with_suffix(".txt")
    export_history(file, plain, attendance, words)
    return plain.read_text("utf-8").splitlines()


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_headings_kinds_reasons_and_the_separator_are_those_of_the_language(file: Path, words: ServerWords) -> None:
    late = Left(4, 4.0, "Bob", Reason.TOO_SLOW.value)
    events: list[RoomEvent] = [
        Joined(1, 1.0, "Ada"),
        Message(2, 2.0, "Ada", "a;b,c"),
        Announcement(3, 3.0, "via"),
        late,
    ]
    table = file.with_suffix(".csv")
    export_history(make_record(file, [*events, Left(5, 5.0, "Eva", "moon")]), table, False, words)
    said = [row[2:] for row in rows_of_table(table, words)]
    if words is IT:
        assert said == [
            ["tipo", "nome", "testo"],
            ["entrata", "Ada", ""],
            ["messaggio", "Ada", "a;b,c"],
            ["annuncio", "", "via"],
            ["uscita", "Bob", "riceveva troppo lentamente"],
            ["uscita", "Eva", "moon"],
        ]
        assert table.read_bytes()[3:].startswith(b'"id";"ora";"tipo"')
    else:
        assert said[:2] == [["type", "name", "text"], ["joined", "Ada", ""]]
        assert [row[0] for row in said[2:5]] == ["message", "announcement", "left"]
        assert table.read_bytes()[3:].startswith(b'"id","time","type"')
    export_history(file, table, True, words)
    assert rows_of_table(table, words)[0][0] == words.heading_name


SERVERS = [
    "* Server",
    "*Server",
    "**",
    "\uff0a Server",
    "✱ Server",
    "\u1160* Server",
    "\ufe0f* Server",
    "\u00a0* Server",
]
SERVERS += [
    "Server: chiudo",
    'a": x',
    "Ada\n2026-11-25 10:00:00 * Server",
    "Ada\u2028* Server",
    "\x0b* Server",
    "",
    "\t",
]


def test_no_name_writes_a_line_of_the_operators(file: Path) -> None:
    """Also such as only an old file has: no name is followed by a colon but its own, and none begins with a sign."""
    events: list[RoomEvent] = []
    for name in [*SERVERS, "Ada", "Bob 2", "2 Bob", "Ève ✱"]:
        number = len(events) + 1
        events += [Joined(number, 1.0, name), Message(number + 1, 1.0, name, "ciao"), Left(number + 2, 1.0, name)]
    events.append(Announcement(len(events) + 1, 1.0, "ciao"))
    said = [line[20:] for line in lines_of(make_record(file, events))]
    assert len(said) == len(events)
    assert [line for line in said if line.startswith("* Server: ")] == ["* Server: ciao"] == said[-1:]
    messages = said[1:-1:3]
    assert messages[-4:] == ["Ada: ciao", "Bob 2: ciao", "2 Bob: ciao", "Ève ✱: ciao"]
    assert all(re.fullmatch('"[^"]*": ciao', line) for line in messages[:-4]), messages
    assert messages[0] == '"* Server": ciao'
    assert said[0] == '* "* Server" si è unito alla chat!'


LINE_BREAKS = ["\n", "\r", "\r\n", "\n\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


def test_no_text_and_no_name_writes_a_line_or_a_row_of_its_own(file: Path) -> None:
    forged = [
        "2026-11-25 10:00:00 * Server: falso",
        '"9";"2026-11-25 10:00:00";"annuncio";"";"falso"',
        "9,x,annuncio,,y",
    ]
    events: list[RoomEvent] = []
    for end in LINE_BREAKS:
        for line in forged:
            events.append(Message(len(events) + 1, 1.0, "Ada", f"ciao{end}{line}"))
            events.append(Joined(len(events) + 1, 1.0, f"Ada{end}{line}"))
    lines = [line.lstrip() for line in lines_of(make_record(file, events))]
    assert len([line for line in lines if line[:1].isdigit()]) == len(events)
    assert all(line[0].isdigit() or line.startswith("| ") for line in lines)
    assert len(lines_of(file, attendance=True)) == 1 + len({"Ada", *(f"Ada {line}" for line in forged)})
    table = file.with_suffix(".csv")
    for attendance in (False, True):
        count = export_history(file, table, attendance, IT)
        assert len(table.read_text("utf-8-sig").splitlines()) == count + 1
    assert export_history(file, table, False, ENGLISH) == len(events)
    assert len(table.read_text("utf-8-sig").splitlines()) == len(events) + 1


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_no_name_moves_the_cells_behind_it(file: Path, words: ServerWords) -> None:
    names = ["Bob;Ada", "Bob,Ada", "Bob|Ada", "Bob\tAda", 'Ada";"x', 'Ada"', 'Ada","x', "Ada'"]
    events: list[RoomEvent] = [Message(number, 1.0, name, "ciao") for number, name in enumerate(names, 1)]
    table = file.with_suffix(".csv")
    export_history(make_record(file, events), table, False, words)
    shown = [row[3] for row in rows_of_table(table, words)[1:]]
    assert shown[:3] == ["Bob；Ada", "Bob，Ada", "Bob｜Ada"]
    assert len(set(shown)) == len(names)
    for line in table.read_text("utf-8-sig").splitlines():  # a script that knows nothing of quotation marks
        cells = [cell.strip('"') for cell in line.split(words.table_separator)]
        assert len(cells) == 5
        assert cells[3] != "Ada"


SIGNS = "=+-@%\uff1d\uff0d\u2212'\"’;,|\t \n.:x1é\u3164\u200b\u00a0()"


@given(st.text(SIGNS), st.sampled_from(SEPARATORS), st.sampled_from(QUOTES))
def test_however_a_cell_is_cut_no_part_is_a_formula_and_nothing_is_lost(
    text: str, separator: str, quote: str | None
) -> None:
    cell = harmless(text)
    row = ";".join(f'"{part}"' for part in ("1", cell.replace('"', '""'), "x"))
    assert not [part for part in cells_of(row, separator, quote) if is_formula(part)]
    if quote != "'":  # in a table without quotation marks, such as an attendance as text
        assert not [part for part in cells_of(cell, separator, quote) if is_formula(part)]
    shown = clean_text(text).replace("\n", " \u21b5 ").replace("\t", " \u21e5 ")
    left = iter(cell)
    assert all(sign in left for sign in shown)  # in this sequence
    assert set(Counter(cell) - Counter(shown)) <= {"'", "’"}


def test_every_form_of_a_sign_that_begins_a_formula_is_known() -> None:
    signs = [chr(number) for number in range(sys.maxunicode + 1) if is_formula(chr(number))]
    assert len(signs) > 20
    assert [sign for sign in signs if sign not in "\t\r\n" and harmless(sign) != f"'{sign}"] == []


@pytest.fixture(scope="module")
def spreadsheet(tmp_path_factory: pytest.TempPathFactory) -> Spreadsheet:
    return Spreadsheet(tmp_path_factory.mktemp("spreadsheet"))


@pytest.mark.slow
@pytest.mark.parametrize("quote", ['"', "'", ""])
@pytest.mark.parametrize("separators", [",", ";", "\t", ",;\t", " ", "|"])
def test_libreoffice_finds_no_formula_in_an_export(
    spreadsheet: Spreadsheet, file: Path, separators: str, quote: str
) -> None:
    texts = [*TRICKY, "x,=1+1", "x\t=1+1", "x =1+1 y", 'x";=1+1;"', 'x",=1+1', "x;'=1+1';y", "x;=1+1';y", 'x"\t=1+1\t"']
    texts += [
        "ciao\n=1+1",
        "=1+1\n2;2026-11-25 10:00:00;annuncio;;falso",
        "|=1+1",
        "  =1+1  ",
        "\"'=1+1",
        "x;=1+1\n;=1+1",
    ]
    names = [*texts, *(f"n;{text}" for text in texts)]
    events: list[RoomEvent] = [Message(number, 1.0, name, name) for number, name in enumerate(names, 1)]
    make_record(file, events)
    tables = []
    for words in (IT, ENGLISH):
        for attendance in (False, True):
            tables.append(file.with_name(f"{words.heading_name}-{attendance}.csv"))
            assert export_history(file, tables[-1], attendance, words) > len(texts)
    if quote != "'":  # an attendance as text has no quotation marks of its own; LibreOffice goes by the name
        export_history(file, file.with_suffix(".txt"), True, IT)
        tables.append(file.with_suffix(".txt").rename(file.with_name("presenze.csv")))
    control = file.with_name("control.csv")
    control.write_text("a{0}=1+1{0}b\n".format(separators[-1]))  # it would compute one
    found = spreadsheet.read([*tables, control], separators, quote)
    assert found.pop(control.name) == (["of:=1+1"], ["a", "2", "b"])
    assert {name: formulas for name, (formulas, _) in found.items() if formulas} == {}
    if (separators, quote) == (";", '"'):
        shown = [html.unescape(re.sub("<text:s[^>]*>", " ", cell)) for cell in found["nome-False.csv"][1]]
        assert shown[:5] == ["id", "ora", "tipo", "nome", "testo"]
        for text in ("=1+1", "x;=1+1", "due\nrighe", 'x";=1+1;"'):
            assert harmless(text) in shown


def test_an_export_while_a_server_writes_is_a_whole_beginning(file: Path) -> None:
    target = file.with_suffix(".csv")
    with ServerProgram("--history", str(file), "--rate", "2000") as program, EventPeer(program.port, "Ada") as ada:
        ada.sock.settimeout(12 * DEADLINE_S)  # all may have been said before the last export is done
        talk = threading.Thread(target=chatter, args=(ada, 0))
        talk.start()
        reader = threading.Thread(target=drain, args=(ada,))
        reader.start()
        for _ in range(10):
            count = export_history(file, target, False, IT)
            cells = rows_of_table(target)[1:]
            assert len(cells) == count
            assert [row[0] for row in cells] == [str(number) for number in range(1, count + 1)]
        program.process.kill()
        program.process.wait()
        talk.join()
        reader.join()


@pytest.mark.parametrize(
    "options",
    [
        ["--export", "x.txt"],
        ["--attendance"],
        ["--history", "x.db", "--attendance"],
        ["--grace", "-1"],
        ["--grace", "nan"],
        ["--grace", "inf"],
        ["--backlog", "-1"],
        ["--backlog", "10001"],
        ["--history"],
    ],
)
def test_options_that_cannot_work_are_explained(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_server.main(options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_a_history_is_exported_as_text_as_csv_and_as_attendance_while_a_server_writes(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    server = serve(grace_s=0.0, history=History(path, ITALIAN))
    with LinePeer.__new__(LinePeer) as ada:
        super(LinePeer, ada).__init__(server.port)
        ada.send("Ada\n")
        ada.expect(ITALIAN.recorded)
        ada.send("=1+1\nperché 😀\n")
        ada.expect("😀\n")
        server.call(lambda: server.delivery.announce("attenzione"))
        ada.expect("Server: attenzione\n")
        assert chat_server.main(["--history", str(path), "--export", str(tmp_path / "a.txt")]) == 0
        command = ["--history", str(path), "--export", str(tmp_path / "a.csv")]
        assert chat_server.main(command) == 0
        assert chat_server.main([*command[:-1], str(tmp_path / "b.csv"), "--attendance"]) == 0
    lines = (tmp_path / "a.txt").read_text("utf-8").splitlines()
    said = ["* Ada si è unito alla chat!", "Ada: =1+1", "Ada: perché 😀", "* Server: attenzione"]
    assert [line[20:] for line in lines] == said
    rows = rows_of_table(tmp_path / "a.csv")
    assert [row[2:] for row in rows[1:3]] == [["entrata", "Ada", ""], ["messaggio", "Ada", "'=1+1"]]
    (_, row) = rows_of_table(tmp_path / "b.csv")
    assert (row[0], row[3]) == ("Ada", "2")


def times_of(file: Path) -> dict[str, tuple[str, str]]:
    """When each name was first and last seen."""
    table = file.with_suffix(".csv")
    assert chat_server.main(["--history", str(file), "--export", str(table), "--attendance"]) == 0
    return {name: (first, last) for name, first, last, _ in rows_of_table(table)[1:]}


def local_time(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def test_who_only_listened_was_seen_until_it_left_or_the_room_was_closed(file: Path) -> None:
    history = History(file, IT)
    members = [Member("Ada", b"1", None), Member("Bob", b"2", None)]
    members[0].joined_id, members[1].joined_id = 1, 2
    history.write(Changes(events=[Joined(1, 100.0, "Ada"), Joined(2, 100.0, "Bob")], arrivals=members))
    history.write(Changes(events=[Left(3, 200.0, "Ada")], departures=[Departure(members[0], 3)]))
    history.write(Changes(events=[Announcement(4, 300.0, "basta")]))
    history.say_goodbye(4, members[1:])
    history.close()
    assert {name: last for name, (_, last) in times_of(file).items()} == {
        "Ada": local_time(200.0),
        "Bob": local_time(300.0),
    }


def test_who_was_there_when_the_server_was_killed_was_seen_until_what_it_last_did(file: Path) -> None:
    """Also where others are there in the same file long after; a number that has no event counts as the one before."""
    events: list[RoomEvent] = [Joined(1, 100.0, "Ada"), Joined(2, 100.0, "Bob"), Joined(3, 110.0, "Eva")]
    events.append(Message(4, 120.0, "Ada", "a"))
    events += [Joined(5, 9000.0, "Ugo"), Message(6, 9001.0, "Ugo", "sono solo"), Joined(9, 9002.0, "ADA")]
    make_record(file, events, [("Ada", 1, None), ("Bob", 2, None), ("Eva", 3, 4), ("Ugo", 5, 8), ("ADA", 9, 9)])
    assert times_of(file) == {
        "Ada": (local_time(100.0), local_time(9002.0)),
        "Bob": (local_time(100.0), local_time(100.0)),
        "Eva": (local_time(110.0), local_time(120.0)),
        "Ugo": (local_time(9000.0), local_time(9001.0)),
    }


def test_who_never_came_back_was_seen_no_later_than_the_end_of_the_server_that_was_killed(file: Path) -> None:
    make_record(file, [Joined(1, 100.0, "Ada"), Joined(2, 110.0, "Bob"), Message(3, 120.0, "Bob", "a")])
    history = History(file, IT)
    arrivals = [Member("Ada", token_key("a" * 20), None), Member("Bob", token_key("b" * 20), None)]
    arrivals[0].joined_id, arrivals[1].joined_id = 1, 2
    history.write(Changes(arrivals=arrivals))
    history.close()
    with recorded_room(file, grace_s=0.0) as server, EventPeer(server.port, "Ugo") as ugo:
        wait_until(lambda: {row[2] for row in rows_of(file) if row[1] == "left"} == {"Ada", "Bob"})
        ugo.say("sono solo")
        ugo.events_until("sono solo")
    times = times_of(file)
    assert (times["Ada"][1], times["Bob"][1]) == (local_time(120.0), local_time(120.0))
    assert times["Ugo"][1] > local_time(120.0)


@pytest.mark.parametrize("arguments", [["--export", "x"], ["--attendance"], ["--history", "x", "--attendance"]])
def test_options_that_need_others_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        chat_server.main(arguments)
    assert caught.value.code == 2
    assert "richied" in capsys.readouterr().err


def test_what_cannot_be_exported_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_damaged(tmp_path / "bad.db")
    for name in ("nothing.db", "bad.db"):
        arguments = ["--history", str(tmp_path / name), "--export", str(tmp_path / "out.txt")]
        assert chat_server.main(arguments) == 2
        assert "Non è possibile esportare" in capsys.readouterr().err
