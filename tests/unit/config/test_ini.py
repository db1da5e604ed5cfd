"""The grammar of ini files: section 1 of the configuration reference."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from circus_core.config.ini import parse_ini
from circus_core.config.load import load
from circus_core.config.raw import RawFile

PATH = Path("circus.ini")


def values(text: str, section: str = "a") -> dict[str, str]:
    file = parse_ini(text, PATH)
    assert not [problem for problem in file.problems if problem.level.value == "error"]
    found = {part.name: part for part in file.sections}[section]
    return {key: raw.value for key, raw in found.values.items()}


def test_equals_sign_and_colon_separate() -> None:
    assert values("[a]\nx = 1\ny: 2\nz=a=b:c\n") == {"x": "1", "y": "2", "z": "a=b:c"}


def test_keys_keep_their_case() -> None:
    keys = ["http_proxy", "HTTPS_PROXY", "FunKy_soUl"]
    assert list(values("[a]\n" + "".join(f"{key} = 1\n" for key in keys))) == keys


def test_a_percent_sign_is_an_ordinary_character() -> None:
    assert values("[a]\nx = %Y-%m-%d %(y)s\n") == {"x": "%Y-%m-%d %(y)s"}


def test_comments_start_in_the_first_column() -> None:
    assert values("# c\n[a]\n; c\nrem c\nREM\nx = 1\nremember = 2\n") == {"x": "1", "remember": "2"}


def test_an_inline_comment_is_a_semicolon_behind_a_blank() -> None:
    assert values("[a]\nx = 1 ; one\ny = a;b\nz = a;b ;c\n") == {"x": "1", "y": "a;b", "z": "a;b"}


def test_a_value_can_be_nothing_but_a_comment() -> None:
    assert values("[a]\nrlimit_core = ; no limit\n") == {"rlimit_core": ""}


def test_a_hash_is_no_inline_comment() -> None:
    assert values("[a]\nargs = -q  # note\n") == {"args": "-q  # note"}


def test_indented_lines_continue_the_value() -> None:
    assert values("[a]\nx = 1\n  2\n\n\t3\ny = 4\n") == {"x": "1\n2\n3", "y": "4"}


def test_a_value_can_start_on_the_next_line() -> None:
    assert values("[a]\nx =\n  1\n  2\n") == {"x": "1\n2"}


def test_comments_between_continued_lines_are_skipped() -> None:
    assert values("[a]\nx = 1\n# c\n  2\n") == {"x": "1\n2"}


def test_continued_lines_of_a_second_definition_are_not_added_to_the_first() -> None:
    assert values("[a]\nx = 1\nx = 2\n  3\ny = 4\n") == {"x": "1", "y": "4"}


def test_empty_values() -> None:
    assert values('[a]\nx =\ny = ""\nz = "a"\n') == {"x": "", "y": "", "z": '"a"'}


def test_the_first_definition_counts_and_sections_merge() -> None:
    text = "[a]\nx = 1\n[b]\nx = 9\n[a]\nx = 2\ny = 3\n"
    assert values(text) == {"x": "1", "y": "3"}


def test_section_names_are_case_sensitive_and_may_hold_blanks() -> None:
    file = parse_ini("[A b]\nx=1\n[a b]\nx=2\n", PATH)
    assert [section.name for section in file.sections] == ["A b", "a b"]


def test_every_key_has_its_line() -> None:
    file = parse_ini("# one\n[a]\nx = 1\n  2\n\ny = 3\n", PATH)
    assert file.sections[0].line == 2
    assert {key: raw.line for key, raw in file.sections[0].values.items()} == {"x": 3, "y": 6}


def test_windows_line_ends_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "circus.ini"
    path.write_bytes(b"\xef\xbb\xbf[watcher:web]\r\ncmd = sleep 60\r\n")
    config = load(path).config
    assert config is not None
    assert config.watchers[0].cmd == "sleep 60"


def test_there_is_no_key_that_holds_the_section_name() -> None:
    assert "__name__" not in values("[a]\nx = 1\n")


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_read_or_refused(text: str) -> None:
    file = parse_ini(text, PATH)
    for problem in file.problems:
        assert problem.line is not None


PIECES = st.sampled_from(
    (
        *(
            "[",
            "]",
            "watcher:",
            "socket:",
            "plugin:",
            "env:",
            "circus",
            "=",
            ":",
            ";",
            " ",
            "\n",
            "\n ",
            "\t",
        ),
        *(
            "cmd",
            "args",
            "numprocesses",
            "hooks.",
            "rlimit_",
            "stdout_stream.",
            "env",
            "use",
            "name",
            "uid",
            "port",
        ),
        *(
            "$(circus.env.A)",
            "$(circus.sockets.x)",
            "((circus.wid))",
            "$A",
            "$$",
            "$",
            "*",
            "1",
            "yes",
            "x",
            "%",
        ),
        *('"', "'", "\\"),
    )
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_file_gives_a_configuration_or_problems(text: str) -> None:
    def reader(path: Path) -> RawFile:
        return parse_ini(text, path)

    result = load(PATH, reader_for=lambda _path: reader, environ={"A": "$(circus.wid)"})
    assert result.config is not None or result.problems
