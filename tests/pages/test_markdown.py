from __future__ import annotations

from edgecnn.report import markdown_row, markdown_text


def test_what_markdown_obeys_is_escaped() -> None:
    shown = markdown_text("![x](http://e.vil) <img> @you a|b\n# c www.e.vil *b* _i_ `c` ~~s~~")
    for raw in ("![", " [", "http:/", " <img", " @you", "a|b", "\n", "www.e", " *b", " _i", " `c"):
        assert raw not in shown
    assert "\\# c" in shown


def test_plain_words_stay_as_they_are() -> None:
    text = "Raspberry Pi 4 Model B Rev 1.4, 1,500 MHz (64-bit): 93.4 %"
    assert markdown_text(text) == text


def test_a_row_has_its_cells() -> None:
    assert markdown_row(["a", "", "b"]) == "| a |  | b |"
