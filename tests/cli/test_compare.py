"""`compare`: the figures of `evaluate`, kept through a stop, in a table that can be trusted."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner, Result

from stream_cl.cli.compare_cells import Cell, Job, Results, code_digest, data_digest, key
from stream_cl.cli.main import app
from stream_cl.config import Config
from stream_cl.core.errors import UserError
from tests.cli.processes import PATIENCE_S, Place, place, until


def run(here: Place, *options: object) -> Result:
    """A comparison in this process, its workers beside it."""
    common = ["compare", "--data", here.data, "--out", here.folder / "out", "--jobs", 1]
    return CliRunner().invoke(app, [str(text) for text in [*common, *options]])


def ok(here: Place, *options: object) -> Result:
    done = run(here, *options)
    assert done.exit_code == 0, done.output
    return done


def kept(here: Place) -> list[dict[str, Any]]:
    """The lines of the file of results that are whole."""
    path = here.folder / "out" / "cells.jsonl"
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def rows(here: Place) -> list[dict[str, str]]:
    with (here.folder / "out" / "table.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_cell_is_what_evaluate_says(tmp_path: Path) -> None:
    """Two commands that give two accuracies for one setting leave nobody to believe."""
    with place(tmp_path, rows=200) as here:
        ok(here, "--rates", "0.2", "--strategies", "uncertainty:measure=entropy", "--seeds", 2)
        settings = ("--set", "query.measure=entropy", "--set", "budget.fraction=0.2")
        judged = json.loads(
            here.quick("evaluate", "--data", here.data, "--seeds", 2, "--json", *settings)
        )
        (line,) = [row for row in rows(here) if row["strategy"] != "random"]
        assert float(line["accuracy"]) == pytest.approx(judged["accuracy"])
        assert float(line["labels"]) == pytest.approx(judged["labels_asked"], abs=0.5)
        assert float(line["accuracy_half"]) == pytest.approx(
            (judged["accuracy_ci"][1] - judged["accuracy_ci"][0]) / 2
        )


def test_a_comparison_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Hours of runs must survive a stop, and none may be counted twice."""
    options = ("--rates", "0.1,0.3", "--seeds", 3, "--jobs", 1)
    with place(tmp_path, rows=400) as here:
        out = here.folder / "out"
        process = here.start("compare", "--data", here.data, "--out", out, *options)
        until(lambda: kept(here), "a cell")
        workers = psutil.Process(process.pid).children()
        assert len(workers) == 1
        process.kill()
        process.communicate()
        _, left = psutil.wait_procs(workers, PATIENCE_S)
        assert not left, "a worker goes on although nobody wants its results"
        before = len(kept(here))
        assert before < 12, "it was to be killed before it was done"
        with (out / "cells.jsonl").open("a") as file:
            file.write('{"key": "cut sho')
        again = ok(here, *options)
        assert again.stderr.startswith(f"12 runs, {before} of them done before")
        keys = [one["key"] for one in kept(here)]
        assert len(keys) == len(set(keys)) == 12
        never = ok(here, *options, "--out", here.folder / "never-killed")
        assert never.stdout == again.stdout


def test_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    """One more strategy costs its own runs; other data or settings cost all of theirs."""
    with place(tmp_path, rows=60) as here:
        first = ok(here, "--seeds", 2)
        assert first.stderr.startswith("4 runs, 0 of them done before")
        again = ok(here, "--seeds", 2)
        assert again.stderr.startswith("4 runs, 4 of them done before")
        assert again.stdout == first.stdout
        more = ok(here, "--seeds", 2, "--strategies", "uncertainty,uncertainty:measure=entropy")
        assert more.stderr.startswith("6 runs, 4 of them done before")
        other = ok(here, "--seeds", 2, "--set", "learner.kind=majority")
        assert other.stderr.startswith("4 runs, 0 of them done before")
        here.data.write_text(here.data.read_text() + "0,1,down\n")
        assert ok(here, "--seeds", 2).stderr.startswith("4 runs, 0 of them done before")


def test_other_code_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of yesterday's code must not stand in today's table."""
    config, data = Config(), data_digest([], None, None)
    assert code_digest() == code_digest()
    assert key(config, data, "a") != key(config, data, "b")
    assert key(config, data, "a") != key(config.model_copy(update={"seed": 1}), data, "a")
    assert data_digest([], 10, None) != data != data_digest([], None, "id")
    known = code_digest()
    monkeypatch.setattr("stream_cl.cli.compare_cells._libraries", lambda: b"numpy 99")
    assert code_digest() != known


def test_the_folder_has_table_and_picture(tmp_path: Path) -> None:
    with place(tmp_path, rows=60) as here:
        for rates in ("0.1,0.3", "0.3"):
            done = ok(here, "--seeds", 2, "--rates", rates, "--budgets", "fraction,quantile")
            out = here.folder / "out"
            assert done.stdout == (out / "table.md").read_text()
            assert len(rows(here)) == 4 * len(rates.split(","))
            root = ET.parse(out / "picture.svg").getroot()
            texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
            assert {"stream: accuracy", "labels asked for", "random · quantile"} <= texts
            assert {path.name for path in out.iterdir()} == {
                "cells.jsonl", "table.md", "table.csv", "picture.svg",
            }  # fmt: skip


def test_files_can_follow_each_other(tmp_path: Path) -> None:
    """Training and test parts of a data set are one stream."""
    with place(tmp_path, rows=40) as here:
        second = here.folder / "second.csv"
        second.write_text("a,b,label\n" + "1,0,up\n" * 10)
        out = here.folder / "out"
        both = ("--data", f"{here.data},{second}", "--seeds", "1", "--limit", "45")
        done = CliRunner().invoke(app, ["compare", "--out", str(out), *both])
        assert done.exit_code == 0, done.output
        assert {(row["stream"], row["events"]) for row in rows(here)} == {("stream+second", "45")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rates", "5"), "--rates 5: give shares"),
        (("--rates", "a"), "--rates a: give shares"),
        (("--strategies", "foo"), "--strategies foo: query.kind: "),
        (("--strategies", "uncertainty:measure=foo"), "--strategies uncertainty:measure=foo: "),
        (("--strategies", "uncertainty:measure"), "--strategies uncertainty:measure: 'measure'"),
        (("--budgets", "fraction:floor=2"), "--budgets fraction:floor=2: budget.floor: "),
        (("--set", "labels.join=every"), "labels.join: `every` asks for nothing"),
        (("--set", "foo=1"), "--set: foo: "),
        (("--data", "no.csv"), "no.csv: there is no such file"),
        (("--seeds", "0"), "--seeds"),
    ],
)
def test_mistakes_are_named_before_the_first_run(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    with place(tmp_path, rows=5) as here:
        done = run(here, *options)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
        assert not kept(here)


def test_data_and_folder_must_be_named(tmp_path: Path) -> None:
    with place(tmp_path, rows=5) as here:
        for given, message in (
            ([], "--data: name"),
            (["--data", str(here.data)], "--out: name"),
            (["--data", str(here.data), "--out", str(here.data)], "is no folder"),
        ):
            done = CliRunner().invoke(app, ["compare", *given])
            assert done.exit_code == 2
            assert message in done.stderr


def test_a_row_without_a_label_is_the_users_mistake(tmp_path: Path) -> None:
    """Found in a worker, it must still end with 2 and one line."""
    with place(tmp_path, rows=5) as here:
        here.data.write_text("a,label\n1,up\n2,\n")
        done = run(here)
        assert done.exit_code == 2
        assert f"{here.data}:3: `label` is missing" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_worker_that_is_ended_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of memory must be told, not waited for."""
    from stream_cl.cli import compare_pool

    cell = Cell("s", "random", "fraction", 0.1, 0, Job("a-b-c", None, (), ()))
    with pytest.raises(compare_pool.StreamClError, match="ended with 3"):
        compare_pool.run([cell], Results(tmp_path), 1, ["sh", "-c", "exit 3"])
    assert not Results(tmp_path).read()


def test_a_changed_config_is_not_run_under_the_old_key(tmp_path: Path) -> None:
    from stream_cl.cli.compare_worker import run_job

    job = Job(key(Config(), "data", code_digest()), None, ("seed=1",), ())
    with pytest.raises(UserError, match="changed meanwhile"):
        run_job(job, [])
    with pytest.raises(UserError, match="the code"):
        run_job(Job(key(Config(), "data", "old"), None, (), ()), [])
