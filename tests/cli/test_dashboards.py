"""`stream-cl dashboards export`, for who has installed the package and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from stream_cl.cli.main import app
from stream_cl.observe.rendered import files


def export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["dashboards", "export", *map(str, arguments)])


def test_everything_is_written_and_named(tmp_path: Path) -> None:
    done = export("--out", tmp_path / "new" / "folder")
    assert done.exit_code == 0, done.output
    written = {
        path.relative_to(tmp_path / "new" / "folder").as_posix(): path.read_text()
        for path in (tmp_path / "new" / "folder").rglob("*")
        if path.is_file()
    }
    assert written == files()
    assert done.stdout.split() == [str(tmp_path / "new" / "folder" / path) for path in files()]


def test_a_file_of_yours_is_not_written_over(tmp_path: Path) -> None:
    """Somebody's own data source must not vanish with an update."""
    export("--out", tmp_path)
    assert export("--out", tmp_path).exit_code == 0, "the same again is no conflict"
    mine = tmp_path / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    mine.write_text("mine")
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    done = export("--out", tmp_path)
    assert done.exit_code == 2
    assert str(mine) in done.stderr
    assert "--force" in done.stderr
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before
    assert export("--out", tmp_path, "--force").exit_code == 0
    assert mine.read_text() != "mine"


def test_links_lead_to_your_runbooks(tmp_path: Path) -> None:
    assert export("--out", tmp_path, "--runbooks", "https://wiki.example.org/r").exit_code == 0
    rules = yaml.safe_load((tmp_path / "prometheus" / "alerts.yml").read_text())
    for rule in rules["groups"][0]["rules"]:
        url = rule["annotations"]["runbook_url"]
        assert url == f"https://wiki.example.org/r#{rule['alert'].lower()}"
    for path in (tmp_path / "grafana" / "dashboards").iterdir():
        json.loads(path.read_text())
        assert "127.0.0.1" not in path.read_text()


@pytest.mark.parametrize(
    "wrong",
    ["docs/runbooks.md", "javascript:alert(1)", 'https://x/"', "https://x/ y", "https://x#y"],
)
def test_what_is_no_address_is_refused(tmp_path: Path, wrong: str) -> None:
    """A quotation mark in it would break every file."""
    done = export("--out", tmp_path / "out", "--runbooks", wrong)
    assert done.exit_code == 2
    assert "--runbooks" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = export("--out", tmp_path / "file")
    assert done.exit_code == 2
    assert str(tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_library_that_renders_is_not_needed(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['grafana_foundation_sdk'] = None;"
        "from stream_cl.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "dashboards", "export", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
