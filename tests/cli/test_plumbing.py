"""What every command promises: exit status, stdout and stderr, and the plain commands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from stream_cl.cli.common import guarded
from stream_cl.cli.main import COMMANDS, app
from stream_cl.core.errors import ConfigError, TransportError, UserError

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=dict(environ))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("topics: {prefix: t-}\n")
    return path


def test_help_answers_at_once() -> None:
    """Nobody waits for torch to read an option's name; only what help needs is imported."""
    program = (
        "import sys, time; start = time.perf_counter();"
        "sys.argv = ['stream-cl', '--help']\n"
        "from stream_cl.cli.main import main\n"
        "try:\n main()\nexcept SystemExit:\n pass\n"
        "heavy = {'numpy', 'torch', 'river', 'numba', 'pydantic'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy), time.perf_counter() - start)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert time.perf_counter() - started < 1.5
    assert "HEAVY []" in done.stdout
    for name, _ in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("no such thing"), 2, "stream-cl: no such thing\n"),
        (ConfigError(["f:1: a", "f:2: b"]), 2, "f:1: a\nf:2: b\n"),
        (TransportError("disk gone"), 1, "stream-cl: disk gone\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(7), 7, ""),
    ],
)
def test_errors_become_a_status_and_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts tell a mistake of theirs (2) from a fault (1); people see no traceback."""

    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        guarded(command)()
    assert caught.value.exit_code == status
    assert capsys.readouterr() == ("", line)


def test_a_fault_of_the_program_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ZeroDivisionError("unexpected")

    with pytest.raises(typer.Exit) as caught:
        guarded(command)()
    assert caught.value.exit_code == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.endswith("please report the lines above\n")


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["check"], ["consume", "c.yaml", "--topic", "foo"], ["check", "--foo", "c"]],
)
def test_wrong_usage_is_a_mistake_of_the_user(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == "0.1.0\n"


def test_what_init_writes_passes_check(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    assert run("init", path).exit_code == 0
    assert run("check", path).stdout == f"{path}: no mistakes\n"
    again = run("init", path)
    assert (again.exit_code, again.stderr) == (
        2,
        f"stream-cl: {path} exists; name another file, or give --force\n",
    )
    assert run("init", path, "--force", "--set", "seed=7").exit_code == 0
    assert "\nseed: 7\n" in path.read_text()
    assert run("init").stdout == run("init", "--set", "seed=0").stdout
    assert run("init", tmp_path / "none" / "c.yaml").exit_code == 2


def test_check_prints_every_mistake_and_leaves_with_2(config: Path) -> None:
    config.write_text("sed: 1\nseed: x\n")
    result = run("check", config, "--set", "stop=1")
    assert result.exit_code == 2
    assert [line.split(": ")[:2] for line in result.stdout.splitlines()] == [
        [f"{config}:1", "sed"],
        [f"{config}:2", "seed"],
        ["--set", "stop"],
    ]


def test_check_knows_river_models(config: Path) -> None:
    result = run("check", config, "--set", "learner={kind: river, model: tree.Nothing}")
    assert result.exit_code == 2
    assert "tree.Nothing" in result.stdout


def test_other_commands_report_config_mistakes_on_stderr(config: Path) -> None:
    config.write_text("sed: 1\nseed: x\n")
    result = run("produce", config, "--data", "any.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 2


def test_the_environment_is_laid_over_the_file(config: Path) -> None:
    assert run("check", config, STREAM_CL__STEP__MAX_EVENTS="0").exit_code == 2


def test_the_schema_is_json() -> None:
    schema = json.loads(run("schema", "--set", "seed=7").stdout)
    assert schema["properties"]["seed"]["default"] == 7


def test_make_without_a_target_lists_the_targets() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("install", "demo", "test", "test-slow", "lint", "format", "bench", "clean"):
        assert f"  make {target} " in done.stdout


def test_the_lock_file_names_the_public_index_only() -> None:
    """Whoever clones the project must be able to install it."""
    lock = (ROOT / "uv.lock").read_text()
    hosts = {part.split("/")[0] for part in lock.split("https://")[1:]}
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
