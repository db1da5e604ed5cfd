"""What becomes of the options of Supervisor."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from circus_convert.problems import ConvertError

from .converting import checked, converted

SMALL = """
[program:example]
command=npm start
directory=/home/www/my-server/
user=www-data
autostart=true
autorestart=true
redirect_stderr=True
"""


def watcher(folder: Path, lines: str, section: str = "watcher:w") -> dict[str, str]:
    """Return the options of the section that a program with these lines becomes."""
    text = converted(folder, f"[program:w]\ncommand=run\nautorestart=true\n{dedent(lines)}")
    if f"[{section}]\n" not in text:
        return {}
    body = text.split(f"[{section}]\n")[1].split("\n\n")[0]
    return dict(line.split("=", 1) for line in body.splitlines() if not line.startswith("#"))


def notes(text: str) -> list[str]:
    return [line[2:] for line in text.splitlines() if line.startswith("# ")]


def test_the_example_of_the_documentation_becomes_what_the_documentation_shows(tmp_path: Path) -> None:
    text = converted(tmp_path, SMALL)
    assert text == (
        "# made from supervisord.conf by circusctl convert\n"
        "# needs: pip install 'circus-core[streams]'\n"
        "\n"
        "[DEFAULT]\n"
        "copy_env=True\n"
        "graceful_timeout=10\n"
        "\n"
        "[watcher:example]\n"
        "cmd=npm start\n"
        "working_dir=/home/www/my-server/\n"
        "user=www-data\n"
        "stderr_stream.class=StdoutStream\n"
    )
    assert "circus.ini: ok, 1 watcher, 0 sockets, 0 plugins" in checked(tmp_path, text)


def test_options_are_spaced_as_in_the_file(tmp_path: Path) -> None:
    assert "\ncmd = x\n" in converted(tmp_path, "[program:x]\ncommand = x\n")


OPTIONS = [
    ("directory=/srv", {"working_dir": "/srv"}),
    ("user=www-data", {"user": "www-data"}),
    ("autostart=false", {"autostart": "False"}),
    ("autorestart=no", {"respawn": "False"}),
    ("autorestart=unexpected", {"final_exits": "0"}),
    ("autorestart=unexpected\nexitcodes=0,2", {"final_exits": "0,2"}),
    ("stopsignal=QUIT", {"stop_signal": "QUIT"}),
    ("stopsignal=TERM", {}),
    ("stopwaitsecs=30", {"graceful_timeout": "30"}),
    ("stopasgroup=true\nkillasgroup=true", {"stop_children": "True"}),
    ("killasgroup=true", {}),
    ("killasgroup=false", {"kill_descendants": "False"}),
    ("priority=10", {"priority": "989"}),
    ("priority=1200", {"priority": "-201"}),
    ("startsecs=10", {"flapping.attempts": "4", "flapping.window": "30"}),
    ("startretries=10", {"flapping.attempts": "11", "flapping.window": "10"}),
    ("startsecs=1", {}),
    ("startsecs=0", {}),
    ("numprocs=4\nprocess_name=%(program_name)s_%(process_num)02d", {"numprocesses": "4"}),
    ("umask=027", {"cmd": """/bin/sh -c 'umask 027; exec "$@"' sh run"""}),
    ("stdout_logfile=NONE", {"close_child_stdout": "True"}),
    ("stdout_logfile=AUTO", {}),
    ("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0", {}),
    ("stderr_logfile=/dev/stderr", {}),
    ("stderr_logfile=/dev/fd/1", {"stderr_stream.class": "StdoutStream"}),
    ("stdout_logfile=syslog", {"stdout_stream.class": "SyslogStream"}),
    ("stderr_syslog=true\nstderr_logfile=NONE", {"stderr_stream.class": "SyslogStream"}),
    (
        "redirect_stderr=true\nstdout_logfile=NONE",
        {"close_child_stdout": "True", "close_child_stderr": "True"},
    ),
]


@pytest.mark.parametrize(("lines", "options"), OPTIONS)
def test_an_option_becomes_ours(lines: str, options: dict[str, str], tmp_path: Path) -> None:
    lines = lines.replace("autorestart=true\n", "")
    assert watcher(tmp_path, lines) == {"cmd": "run", **options}


def test_all_of_them_together_pass_the_check(tmp_path: Path) -> None:
    programs = [f"[program:w{number}]\ncommand=run\n{lines}\n" for number, (lines, _) in enumerate(OPTIONS)]
    said = checked(tmp_path, converted(tmp_path, "\n".join(programs)))
    assert said == f"circus.ini: ok, {len(OPTIONS)} watchers, 0 sockets, 1 plugin\n"


def test_files_are_rotated_as_supervisor_does_unasked(tmp_path: Path) -> None:
    found = watcher(tmp_path, "stdout_logfile=/var/log/%(program_name)s.log\nredirect_stderr=true")
    assert found == {
        "cmd": "run",
        "stdout_stream.class": "FileStream",
        "stdout_stream.filename": "/var/log/w.log",
        "stdout_stream.max_bytes": "50MB",
        "stdout_stream.backup_count": "10",
        "stderr_stream.class": "stdout",
    }
    assert watcher(tmp_path, "stderr_logfile=a.log\nstderr_logfile_maxbytes=0") == {
        "cmd": "run",
        "stderr_stream.class": "FileStream",
        "stderr_stream.filename": "a.log",
    }


def test_log_files_of_several_processes_have_the_number_of_the_worker(tmp_path: Path) -> None:
    lines = "numprocs=2\nprocess_name=w%(process_num)d\nstdout_logfile=w%(process_num)02d.log"
    assert watcher(tmp_path, lines)["stdout_stream.filename"] == "w$(circus.wid).log"


def test_processes_that_differ_by_their_number_become_several_watchers(tmp_path: Path) -> None:
    lines = """
        process_name=w_%(process_num)02d
        numprocs=2
        numprocs_start=8
        environment=N="%(process_num)d"
        """
    assert watcher(tmp_path, lines, "watcher:w_08") == {"cmd": "run"}
    assert watcher(tmp_path, lines, "env:w_09") == {"N": "9"}


def test_the_environment_is_named_and_never_put_in(tmp_path: Path) -> None:
    lines = 'environment=A="%(ENV_HOME)s/x",B=\'$y\',C="a;b, c"\ndirectory=%(ENV_HOME)s'
    assert watcher(tmp_path, lines, "env:w") == {"A": "$(circus.env.HOME)/x", "B": "$$y", "C": "a;b, c"}
    assert watcher(tmp_path, lines)["working_dir"] == "$(circus.env.HOME)"


def test_priorities_of_groups_come_before_those_of_programs(tmp_path: Path) -> None:
    text = converted(
        tmp_path,
        """
        [program:a]
        command=a
        priority=5
        [program:b]
        command=b
        priority=1
        [program:c]
        command=c
        priority=3
        [group:late]
        programs=a,b
        priority=100
        """,
    )
    order = [line for line in text.splitlines() if line.startswith(("[watcher", "priority"))]
    assert order == ["[watcher:a]", "[watcher:b]", "priority=1", "[watcher:c]", "priority=2"]


def test_sections_of_the_daemon_become_options_of_circus_or_comments(tmp_path: Path) -> None:
    text = converted(
        tmp_path,
        """
        [supervisord]
        logfile=/var/log/supervisord.log
        logfile_backups=3
        loglevel=warn
        pidfile=/run/supervisord.pid
        umask=027
        minfds=65536
        user=www-data
        directory=/srv
        identifier=sup
        environment=TOKEN="s3cret"
        [unix_http_server]
        file=/run/supervisor.sock
        password=hidden
        [supervisorctl]
        serverurl=unix:///run/supervisor.sock
        [rpcinterface:supervisor]
        supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
        [eventlistener:mail]
        command=crashmail -p hidden
        events=PROCESS_STATE
        [group:all]
        programs=web
        [program:web]
        command=run
        serverurl=AUTO
        stdout_events_enabled=true
        """,
    )
    assert (
        "[circus]\nlogoutput=/var/log/supervisord.log\nloglevel=warning\npidfile=/run/supervisord.pid\n"
        "umask=027\n"
    ) in text
    assert "[DEFAULT]\ncopy_env=True\ngraceful_timeout=10\nrlimit_nofile=65536\n" in text
    assert "[env]\nTOKEN=s3cret\n" in text
    assert "[watcher:web]\ncmd=run\nworking_dir=/srv\nuser=www-data\nfinal_exits=0\n" in text
    assert "hidden" not in text
    named = [note.split(": ")[1].split(" ")[0] for note in notes(text)[1:]]
    assert {"logfile_backups", "identifier", "serverurl", "stdout_events_enabled", "eventlistener"} <= {
        *named
    }
    assert all(note.startswith("supervisord.conf:") for note in notes(text)[1:])
    assert " ok, " in checked(tmp_path, text)


def test_the_page_of_supervisor_becomes_the_dashboard_for_this_machine(tmp_path: Path) -> None:
    text = converted(tmp_path, "[inet_http_server]\nport=*:9001\npassword=s3cret\n[program:x]\ncommand=x\n")
    assert "[circus]\nhttpd=True\nhttpd_host=127.0.0.1\nhttpd_port=9001\n" in text
    assert "s3cret" not in text
    assert notes(text)[2].startswith("supervisord.conf:2: port: listened everywhere")
    assert " ok, " in checked(tmp_path, text)


def test_an_fcgi_program_gets_its_socket_as_standard_input(tmp_path: Path) -> None:
    program = """
        [fcgi-program:Front]
        command=php-cgi
        socket={socket}
        socket_mode=0770
        socket_backlog=64
        autorestart=true
        """
    text = converted(tmp_path, program.format(socket="unix://%(here)s/front.sock"))
    assert "[watcher:Front]\ncmd=php-cgi\nstdin_socket=front\n" in text
    assert "[socket:front]\npath=FOLDER/front.sock\numask=007\nreplace=True\nbacklog=64\n" in text
    assert "1 socket" in checked(tmp_path, text)
    text = converted(tmp_path, program.format(socket="tcp://127.0.0.1:9000"))
    assert "[socket:front]\nhost=127.0.0.1\nport=9000\n" in text


def test_included_files_are_read_and_named_in_comments(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "b.conf").write_text("[program:b]\ncommand=%(here)s/b\nserverurl=AUTO\n")
    (folder / "a.conf").write_text("[program:a]\ncommand=a\n")
    text = converted(tmp_path, "[include]\nfiles = %(here)s/conf.d/*.conf nothing/*.conf\n")
    assert text.index("[watcher:a]") < text.index("[watcher:b]")
    assert "cmd = FOLDER/conf.d/b\n" in text
    assert "# FOLDER/conf.d/b.conf:3: serverurl: " in text


def test_toml_says_the_same(tmp_path: Path) -> None:
    source = SMALL + 'environment=A="$x",B=\'it"s\'\nnumprocs=2\nprocess_name=%(process_num)s\n'
    text = converted(tmp_path, source, "supervisord.conf", "toml")
    assert '[watcher.example]\ncmd = "npm start"\nnumprocesses = 2\n' in text
    assert 'stderr_stream.class = "StdoutStream"\n' in text
    assert '[env.example]\nA = "$$x"\nB = "it\\"s"\n' in text
    assert " ok, 1 watcher" in checked(tmp_path, text, "circus.toml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[program:x]\n", "x.conf:1: program 'x' has no command"),
        ("[program:x]\ncommand=a 'b\n", "x.conf:2: command: no closing quotation"),
        (
            "[program:x]\ncommand=a%b\n",
            "x.conf:2: command: a single '%' means nothing to Supervisor; write '%%'",
        ),
        ("[program:x]\ncommand=%(nothing)s\n", "x.conf:2: command: '%(nothing)s' is nothing that"),
        ("[program:x]\ncommand=a\nnumprocs=some\n", "x.conf:3: numprocs must be a whole number, got 'some'"),
        ("[program:x]\ncommand=a\nautostart=perhaps\n", "x.conf:3: autostart must be true or false, got"),
        ("[program:x]\ncommand=a\nenvironment=A=s3cret}x B\n", "x.conf:3: environment: not NAME="),
        ("[supervisord]\nlogfile=x\n", "x.conf: there is no [program:NAME] in it"),
        ("[program:x]\nnothing\n", "x.conf:2: neither a section nor an option of Supervisor: 'nothing'"),
        ("[fcgi-program:x]\ncommand=a\nsocket=here\n", "x.conf:3: socket must be tcp://HOST:PORT or unix://"),
        ("hello\n", "x.conf: neither a supervisord.conf nor a Procfile; if it is one, say --from"),
    ],
)
def test_what_supervisor_would_not_take_is_an_error_with_its_line(
    text: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConvertError) as raised:
        converted(tmp_path, text, "x.conf")
    assert str(raised.value).startswith(complaint)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_program_takes_the_place_of_another_one(tmp_path: Path) -> None:
    text = converted(
        tmp_path, "[program:a b]\ncommand=one\n[program:a_b]\ncommand=two\n[program:A_B]\ncommand=three\n"
    )
    assert re.findall(r"\[(watcher:.*)\]\ncmd=(.*)", text) == [
        ("watcher:a_b", "one"),
        ("watcher:a_b_2", "two"),
        ("watcher:A_B_3", "three"),
    ]
    assert "# supervisord.conf:3: called 'a_b_2', since there is a 'a_b'; case does not count" in text
    assert checked(tmp_path, text) == "circus.ini: ok, 3 watchers, 0 sockets, 0 plugins\n"


def test_files_to_include_that_are_not_here_are_named(tmp_path: Path) -> None:
    include = "[include]\nfiles = conf.d/*.conf more.ini\n"
    (tmp_path / "more.ini").write_text("[program:more]\ncommand=more\n")
    text = converted(tmp_path, "[program:x]\ncommand=x\n" + include)
    assert "[include]: no file is conf.d/*.conf; what Supervisor reads there is not in here" in text
    assert "[watcher:more]" in text
    (tmp_path / "more.ini").unlink()
    with pytest.raises(
        ConvertError, match=r"no \[program:NAME\] in it, and no file is conf.d/\*.conf, more.ini"
    ):
        converted(tmp_path, include)


def test_a_dashboard_is_opened_to_nobody_by_itself(tmp_path: Path) -> None:
    for port in (":9001", "*:9001", "9001", "0.0.0.0:9001", "[::]:9001"):
        text = converted(tmp_path, f"[inet_http_server]\nport={port}\n[program:x]\ncommand=x\n")
        assert "httpd_host=127.0.0.1\nhttpd_port=9001\n" in text


def test_a_mode_that_is_none_is_told(tmp_path: Path) -> None:
    text = "[fcgi-program:x]\ncommand=x\nsocket=unix:///tmp/x\nsocket_mode=rwx\n"
    with pytest.raises(ConvertError, match=r"conf:4: socket_mode must be octal, such as 0700, got 'rwx'"):
        converted(tmp_path, text)
