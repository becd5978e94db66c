"""What the tests rely on: a program's output is read whole, however large it is and wherever a pipe cuts it."""

from __future__ import annotations

from tests.support.programs import Program

LINES = 200_000


def test_a_large_output_is_read_whole_to_its_end() -> None:
    with Program("-c", f"print('è la riga\\n' * {LINES}, end='')") as program:
        assert program.expect_end() == (0, "è la riga\n" * LINES)


def test_a_word_behind_a_large_output_is_found() -> None:
    with Program("-c", f"print('è la riga\\n' * {LINES}, end='fine'); print('e poi')") as program:
        assert program.expect("fine") == "è la riga\n" * LINES + "fine"
        assert program.expect_end() == (0, "e poi\n")
