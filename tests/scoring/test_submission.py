"""Submissions: written and read back, and every fault of one reported at once."""

import datetime
import functools
import io
import json
import pickle
import struct
import zipfile

import astropy.units as u
import numpy as np
import pytest

import mwlmc_data as mw
from mwlmc_data import cli
from mwlmc_data.dataset import release
from mwlmc_data.scoring import observations, submission
from mwlmc_data.scoring import task as task_module
from mwlmc_data.scoring.submission import SubmissionError, read_submission, write_submission
from mwlmc_data.scoring.tasks import summary
from mwlmc_data.storage import npz
from tests.helpers.example_entries import list_own_tasks, prior_samples

DRAWS = 16
COST = {"cpu_seconds": 12.5, "simulations": 1000, "parameters": 0}
ABOUT = {"method": "prior", "seeds": [0], "cost": COST, "code": "this test", "date": "2026-01-31"}


_columns_of, _load_cases = functools.cache(observations.columns_of), functools.cache(observations.load_cases)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Few draws per observation, and the catalogue decoded once, not for every submission."""
    monkeypatch.setattr(observations, "columns_of", lambda split, names: _columns_of(split, tuple(names)))
    monkeypatch.setattr(task_module, "load_cases", _load_cases)
    monkeypatch.setattr(task_module.Task, "n_draws", DRAWS)
    monkeypatch.setattr(summary.Summary6, "n_reference_draws", 64)
    monkeypatch.setattr(task_module, "load_references", lambda *_, **__: None)


@pytest.fixture
def task():
    return mw.get_task("budget-1000")


@pytest.fixture
def samples(task):
    return prior_samples(task)


@pytest.fixture
def folder(tmp_path, task, samples):
    log_prob = task.prior.log_prob(task.observations.theta)
    return write_submission(tmp_path / "mine", task, samples, log_prob, **ABOUT)


def change(folder, **fields):
    """Change the manifest; a field that becomes None is removed."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def save(folder, **arrays):
    np.savez(folder / "samples.npz", **arrays)


def problems_of(folder):
    with pytest.raises(SubmissionError) as caught:
        read_submission(folder)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def assert_only(problems, *parts):
    (problem,) = problems
    for part in parts:
        assert part in problem


class TestRoundTrip:
    def test_what_is_written_is_read(self, folder, task, samples):
        read = read_submission(folder)
        assert read.task.id == task.id
        assert np.array_equal(read.arrays["samples"], samples) and read.arrays["samples"].dtype == np.float32
        assert read.arrays["log_prob_truth"].dtype == np.float64
        assert read.manifest == {
            "format": "mwlmc-submission-1",
            "task": "budget-1000@1.0",
            "data": {"version": release.DATA_VERSION, "sha256": release.get_entry("gaussian")["sha256"]},
            **ABOUT,
        }
        assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "samples.npz"]

    def test_the_score_is_that_of_the_arrays(self, folder, task, samples):
        report = read_submission(folder).score()
        direct = task.score(samples, task.prior.log_prob(task.observations.theta))
        assert report["headline"] == direct["headline"] and report["scores"] == direct["scores"]
        assert report["submission"]["method"] == "prior"

    def test_the_same_submission_is_the_same_bytes(self, folder, tmp_path, task, samples):
        log_prob = task.prior.log_prob(task.observations.theta)
        again = write_submission(str(tmp_path / "again"), task.id, samples.astype(float), log_prob, **ABOUT)
        for name in ("manifest.json", "samples.npz"):
            assert (folder / name).read_bytes() == (again / name).read_bytes()

    def test_an_earlier_submission_is_replaced(self, folder, task, samples):
        write_submission(folder, task, samples, **ABOUT | {"method": "again"})
        read = read_submission(folder)
        assert read.manifest["method"] == "again" and set(read.arrays) == {"samples"}

    def test_compressed_and_fortran_arrays_are_read(self, folder, samples):
        np.savez_compressed(folder / "samples.npz", samples=np.asfortranarray(samples))
        assert np.array_equal(read_submission(folder).arrays["samples"], samples)

    def test_it_has_to_be_for_the_task_that_is_asked_for(self, folder, task):
        assert read_submission(folder, task).task is task
        with pytest.raises(SubmissionError, match=r"= 'budget-1000@1\.0': allowed is 'summary-9@1\.0'"):
            read_submission(folder, mw.get_task("summary-9"))

    def test_cases_come_along(self, tmp_path, task, samples):
        folder = write_submission(tmp_path / "b", task, samples, case_samples=prior_samples(task, rows=3), **ABOUT)
        assert "rigid" in read_submission(folder).score()["scores"]

    @pytest.mark.parametrize("name", [name for name in list_own_tasks() if "samples" in mw.get_task(name).arrays])
    def test_every_task_can_be_submitted_to(self, tmp_path, name):
        task = mw.get_task(name)
        folder = write_submission(tmp_path / "a", name, prior_samples(task), **ABOUT)
        assert read_submission(folder).score()["task"] == name

    def test_numbers_of_numpy_and_todays_date(self, tmp_path, task, samples):
        cost = {"cpu_seconds": np.float32(2), "simulations": np.int64(5), "parameters": 3}
        about = ABOUT | {"cost": cost, "seeds": np.arange(2), "date": None}
        manifest = read_submission(write_submission(tmp_path / "a", task, samples, **about)).manifest
        assert manifest["cost"] == {"cpu_seconds": 2.0, "simulations": 5, "parameters": 3}
        assert manifest["seeds"] == [0, 1] and len(manifest["date"]) == 10


class TestWriting:
    def test_nothing_is_written_unless_all_is_valid_and_every_fault_is_reported(self, tmp_path, task, samples):
        wrong = ABOUT | {"seeds": [], "cost": {"cpu_seconds": -1}, "method": ""}
        with pytest.raises(SubmissionError) as caught:
            write_submission(tmp_path / "a", task, samples[:5], weights=np.ones(3), **wrong)
        text = str(caught.value)
        for part in ("seeds = []", "cost lacks 'simulations'", "cpu_seconds = -1", "method = ''",
                     "shape of samples = (5,", "array 'weights'"):  # fmt: skip
            assert part in text, part
        assert not (tmp_path / "a").exists()

    def test_a_folder_with_other_files_is_left_alone(self, tmp_path, task, samples):
        (tmp_path / "thesis.tex").write_text("words")
        with pytest.raises(SubmissionError, match=r"holds \['thesis\.tex'\]: allowed are manifest\.json and"):
            write_submission(tmp_path, task, samples, **ABOUT)
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    def test_seeds_and_costs_of_a_wrong_type_are_reported(self, tmp_path, task, samples):
        with pytest.raises(SubmissionError) as caught:
            write_submission(tmp_path / "a", task, samples, **ABOUT | {"seeds": 3, "cost": None})
        assert "seeds = 3" in str(caught.value) and "cost = None" in str(caught.value)

    def test_tomorrow_may_be_today_elsewhere_and_no_later_day(self, tmp_path, task, samples):
        today = datetime.datetime.now(datetime.UTC).date()
        write_submission(tmp_path / "a", task, samples, **ABOUT | {"date": str(today + datetime.timedelta(1))})
        with pytest.raises(SubmissionError, match="date ="):
            write_submission(tmp_path / "b", task, samples, **ABOUT | {"date": str(today + datetime.timedelta(2))})

    def test_draws_that_overflow_their_precision_are_named(self, tmp_path, task, samples):
        with np.errstate(over="ignore"):
            half = samples.astype(np.float16)
        wrong = {
            r"samples\[0, 0, 0\] = inf \(and .* more of .*\).*float16 ends at 65504": half,
            r"samples at \(0, 0, 0\) = 1e\+39, 52800 such in total: allowed are numbers that float32 holds":
                np.full(samples.shape, 1e39),
            "samples = 1 masked or missing value of 52800": np.ma.masked_equal(samples, samples[5, 4, 1]),
            "samples = numbers in solMass: allowed is a pure number": samples * u.Msun,
            "samples.*allowed": [[[1.0, 2.0, 3.0], [1.0]]],
        }  # fmt: skip
        for words, draws in wrong.items():
            with pytest.raises(SubmissionError, match=words):
                write_submission(tmp_path / "a", task, draws, **ABOUT)
            with pytest.raises(ValueError, match=words if "1e" not in words else "samples"):
                task.score(draws)
        assert not (tmp_path / "a").exists()

    def test_an_unknown_task(self, tmp_path, samples):
        with pytest.raises(ValueError, match="task = 'summary-8'"):
            write_submission(tmp_path, "summary-8", samples, **ABOUT)


class TestManifest:
    @pytest.mark.parametrize(
        ("field", "value", "parts"),
        [
            ("format", "mwlmc-submission-2", ["'mwlmc-submission-2'", "mwlmc-submission-1"]),
            ("format", None, ["lacks 'format'", "allowed is all of format, task"]),
            ("task", "summary-9", ["'summary-9'", "with its version"]),
            ("task", 9, ["task = 9"]),
            (
                "data",
                {"version": "1.0.0", "sha256": "ab"},
                ["data.sha256 = 'ab'", release.get_entry("gaussian")["sha256"]],
            ),
            ("data", {"version": "3.0.0", "sha256": "ab"}, ["data.version = '3.0.0'", "allowed is 1.0.0"]),
            ("data", {"version": ["1.0.0"], "sha256": "ab"}, ["data.version = ['1.0.0']"]),
            ("data", {"version": "1.0.0"}, ["data lacks 'sha256'"]),
            ("data", "1.0.0", ["data = '1.0.0'", "an object"]),
            ("method", "", ["method = ''", "1 to 80 characters"]),
            ("method", "two\nlines", ["method = 'two\\nlines'", "a line of text"]),
            ("method", "a" * 81, ["method = 'aaa", "1 to 80"]),
            ("method", "a" * 3000, ["method = 'aaa", "1 to 80"]),
            ("seeds", [], ["seeds = []", "integers from 0"]),
            ("seeds", 3, ["seeds = 3"]),
            ("seeds", [0, -1], ["seeds = [0, -1]"]),
            ("seeds", [True], ["seeds = [True]"]),
            ("seeds", [0.5], ["seeds = [0.5]"]),
            ("cost", 12, ["cost = 12", "cpu_seconds, simulations, parameters"]),
            ("cost", COST | {"watts": 3}, ["cost has 'watts'"]),
            ("cost", COST | {"cpu_seconds": "1 h"}, ["cost.cpu_seconds = '1 h'", "a number from 0"]),
            ("cost", COST | {"parameters": 1.5}, ["cost.parameters = 1.5", "an integer from 0"]),
            ("cost", COST | {"simulations": 1101}, ["cost.simulations = 1101", "budget-1000@1.0 is 1100 at most"]),
            ("code", None, ["lacks 'code'"]),
            ("date", "31.01.2026", ["'31.01.2026'", "YYYY-MM-DD"]),
            ("date", "2026-02-30", ["'2026-02-30'"]),
            ("date", "20260131", ["'20260131'"]),
            ("date", "2126-01-31", ["date = '2126-01-31'", "from 2025-07-14 to 20"]),
            ("date", "2025-07-13", ["date = '2025-07-13'"]),
            ("seeds", list(range(101)), ["1 to 100 integers from 0"]),
            ("date", 20260131, ["date = 20260131"]),
            ("rank", 1, ["manifest has 'rank'", "allowed are format, task"]),
        ],
    )
    def test_each_wrong_field_is_named(self, folder, field, value, parts):
        change(folder, **{field: value})
        assert_only(problems_of(folder), *parts)

    def test_a_budget_leaves_room_for_validation(self, folder):
        change(folder, cost=COST | {"simulations": 1100})
        assert read_submission(folder).manifest["cost"]["simulations"] == 1100

    @pytest.mark.parametrize(
        ("text", "part"),
        [
            ("", "is not JSON"),
            ("[1]", "= [1]: allowed is a JSON object"),
            ('{"format": NaN}', "NaN is not a number in JSON"),
            ('{"task": "a", "task": "b"}', "the key 'task' occurs more than once"),
            ("[" * 60000, "is not JSON"),
            (" " * 70000, "= 70000: allowed is 65536 at most"),
            (b"\xff\xfe", "is not JSON"),
        ],
    )
    def test_what_is_not_a_manifest_is_reported(self, folder, text, part):
        (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        assert_only(problems_of(folder), "manifest.json", part)

    @pytest.mark.filterwarnings("ignore::mwlmc_data.dataset.release.RetractedVersionWarning")
    def test_data_of_a_retracted_version_are_refused(self, folder, monkeypatch):
        registry = release.load_registry()
        registry["1.0.0"]["retracted"] = "erratum 1: signs"
        monkeypatch.setattr(release, "load_registry", lambda directory=None: registry)
        assert_only(problems_of(folder), "data.version is 1.0.0, which was retracted: erratum 1: signs")

    def test_data_of_another_major_version_are_refused(self, folder, monkeypatch):
        registry = release.load_registry()
        registry["2.0.0"] = registry["1.0.0"]
        monkeypatch.setattr(release, "load_registry", lambda directory=None: registry)
        change(folder, data={"version": "2.0.0", "sha256": registry["1.0.0"]["files"]["gaussian"]["sha256"]})
        assert_only(problems_of(folder), "data.version = 2.0.0: allowed in budget-1000@1.0 is 1.x")


class Pickled:
    """Creates a file if it is ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def npy(array):
    out = io.BytesIO()
    np.lib.format.write_array(out, array)
    return out.getvalue()


class TestArrays:
    def test_no_file_at_all(self, folder):
        (folder / "samples.npz").unlink()
        assert_only(problems_of(folder), "samples.npz is missing")

    def test_wrong_shape_type_and_names_are_reported_together(self, folder, samples):
        save(folder, samples=samples[:3], log_prob_truth=np.zeros(1100, dtype=int), extra=np.zeros(2))
        problems = problems_of(folder)
        assert len(problems) == 3
        text = " ".join(problems)
        for part in (
            "shape of samples = (3, 16, 3): allowed is (1100, 16, 3)",
            "'extra.npy' in the file: allowed are the arrays samples,",
            "type of log_prob_truth = int64: allowed is float32 or float64",
        ):
            assert part in text, part

    def test_draws_in_double_precision_are_refused(self, folder, samples):
        save(folder, samples=samples.astype(float))
        assert_only(problems_of(folder), "type of samples = float64: allowed is float32")

    def test_required_arrays(self, folder):
        save(folder, log_prob_truth=np.zeros(1100))
        assert_only(problems_of(folder), "samples is missing: (observations, draws, parameters)")

    def test_values_are_checked_as_in_a_score(self, folder, samples):
        samples[0, 0, 0] = np.nan
        save(folder, samples=samples)
        assert_only(problems_of(folder), "samples at (0, 0, 0) = nan")

    def test_a_pickle_is_never_loaded(self, folder, tmp_path):
        trap = tmp_path / "opened"
        np.savez(folder / "samples.npz", samples=np.array([Pickled(trap)], dtype=object))
        assert_only(problems_of(folder), "samples holds Python objects, which are never loaded")
        (folder / "samples.npz").unlink()
        np.save(folder / "samples.npz", np.array([Pickled(trap)], dtype=object), allow_pickle=True)
        (folder / "samples.npz.npy").rename(folder / "samples.npz")
        assert_only(problems_of(folder), "samples.npz is not a file of numpy.savez")
        assert not trap.exists()

    def test_a_decompression_bomb_is_refused_by_its_size(self, folder, samples, monkeypatch):
        monkeypatch.setattr(submission, "load_members", lambda *a: pytest.fail("the file was loaded"))
        with zipfile.ZipFile(folder / "samples.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("samples.npy", npy(samples) + b"\0" * 50_000_000)
        assert_only(problems_of(folder), "samples has 50211328 bytes: allowed are 211328")

    def test_a_file_that_is_too_large_is_not_opened(self, folder):
        with open(folder / "samples.npz", "ab") as file:
            file.truncate(1 << 30)
        assert_only(problems_of(folder), "bytes of samples.npz = 1073741824: allowed is ")

    def test_a_header_that_declares_more_than_the_file_holds(self, folder, samples):
        with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
            archive.writestr("samples.npy", npy(samples)[:-400])
        assert_only(problems_of(folder), "bytes: allowed are 211328")

    def test_the_same_array_twice(self, folder, samples):
        with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
            archive.writestr("samples.npy", npy(samples))
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("samples.npy", npy(samples))
        assert_only(problems_of(folder), "samples occurs 2 times: allowed is once")

    @pytest.mark.parametrize("name", ["samples", "../samples.npy", "samples.npy/", "samples.npy.npy"])
    def test_other_names(self, folder, samples, name):
        with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
            archive.writestr(name, npy(samples))
        problems = problems_of(folder)
        assert any(f"there is an entry {name!r} in the file" in problem for problem in problems)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compression(self, folder, samples, method):
        with zipfile.ZipFile(folder / "samples.npz", "w", method) as archive:
            archive.writestr("samples.npy", npy(samples))
        assert_only(problems_of(folder), f"compressed by method {method}: allowed is stored, or deflated (8)")

    def test_an_encrypted_array(self, folder):
        path = folder / "samples.npz"
        content = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            place = content.find(signature)
            struct.pack_into("<H", content, place + offset, 1)
        path.write_bytes(bytes(content))
        assert any("is encrypted" in problem for problem in problems_of(folder))

    @pytest.mark.parametrize(
        "content", [b"no array at all" * 20, b"\x93NUMPY\x07\x00" + b"{}" * 100, b"\x93NUMPY\x01\x00\xff"]
    )
    def test_members_that_are_not_arrays(self, folder, content):
        with zipfile.ZipFile(folder / "samples.npz", "w") as archive:
            archive.writestr("samples.npy", content)
        assert_only(problems_of(folder), "samples is not an array")

    def test_flipped_bits_are_found(self, folder):
        path = folder / "samples.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 4] ^= 0xFF
        path.write_bytes(bytes(content))
        assert_only(problems_of(folder), "samples.npz is damaged", "CRC-32")

    @pytest.mark.parametrize("place", [0, 1, 40, 5000])
    def test_a_stream_that_cannot_be_inflated_is_damage(self, folder, samples, place):
        path = folder / "samples.npz"
        np.savez_compressed(path, samples=samples)
        with zipfile.ZipFile(path) as archive:
            member = archive.infolist()[0]
        start = member.header_offset + 30 + len(member.filename) + place
        content = bytearray(path.read_bytes())
        content[start : start + 40] = b"\xff" * 40
        path.write_bytes(bytes(content))
        assert_only(problems_of(folder), "samples.npz is ")

    @pytest.mark.parametrize("length", [0, 10, 5000, -30])
    def test_a_file_cut_short(self, folder, length):
        path = folder / "samples.npz"
        path.write_bytes(path.read_bytes()[:length])
        assert_only(problems_of(folder), "samples.npz is not a file of numpy.savez")

    def test_structured_types(self, folder):
        save(folder, samples=np.zeros((1100, 16, 3), dtype=[("a", "f4")]))
        assert_only(problems_of(folder), "type of samples = [('a', '<f4')]: allowed is float32")


class TestFolder:
    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="allowed is one that exists"):
            read_submission(tmp_path / "none")

    def test_an_empty_folder(self, tmp_path):
        first, second = problems_of(tmp_path)
        assert "manifest.json is missing" in first and "samples.npz is missing" in second

    @pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._samples.npz"])
    def test_files_of_operating_systems_are_ignored(self, folder, task, samples, name):
        (folder / name).write_bytes(b"\0\1")
        assert read_submission(folder).task.id == task.id
        write_submission(folder, task, samples, **ABOUT)

    def test_an_interrupted_writer_leaves_no_half_entry(self, folder, task, samples, monkeypatch):
        def fail(file, arrays, compressed):
            file.write(b"half")
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(npz, "write_npz", fail)
            with pytest.raises(OSError):
                write_submission(folder, task, samples, **ABOUT)
        assert "manifest.json is missing" in " ".join(problems_of(folder))  # not the old one beside other draws
        (folder / "samples.npz.0123.tmp").write_bytes(b"of a writer that was killed")
        write_submission(folder, task, samples, **ABOUT)
        assert read_submission(folder).task.id == task.id

    def test_the_home_folder_is_meant(self, tmp_path, task, samples, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write_submission("~/entry", task, samples, **ABOUT)
        assert (tmp_path / "entry" / "samples.npz").is_file() and read_submission("~/entry").task.id == task.id

    @pytest.mark.parametrize("name", ["samples.npz", "manifest.json"])
    def test_links_are_not_followed(self, folder, tmp_path, name):
        (folder / name).rename(tmp_path / "elsewhere")
        (folder / name).symlink_to(tmp_path / "elsewhere")
        assert_only(problems_of(folder), f"{name} is a symbolic link: allowed is a file in the directory itself")

    def test_a_link_to_the_whole_directory_is_one_of_its_names(self, folder, tmp_path):
        (tmp_path / "link").symlink_to(folder)
        assert read_submission(tmp_path / "link").manifest["method"] == "prior"

    def test_all_faults_are_reported_together(self, folder, samples):
        (folder / "notes.txt").write_text("x")
        change(folder, seeds=[], date="today")
        save(folder, samples=samples[:2])
        text = " ".join(problems_of(folder))
        for part in ("['notes.txt']", "seeds = []", "date = 'today'", "shape of samples = (2, 16, 3)"):
            assert part in text


class TestCommand:
    @pytest.fixture
    def run(self, capsys):
        def run(*words):
            try:
                status = cli.main(["score", *map(str, words)])
            except SystemExit as stop:
                status = stop.code
            captured = capsys.readouterr()
            return status, captured.out, captured.err

        return run

    def test_it_prints_the_table(self, run, folder):
        assert run(folder) == (0, str(read_submission(folder).score()) + "\n", "")

    def test_it_prints_json_and_writes_files(self, run, folder, tmp_path):
        status, out, _ = run(folder, "--json", "--out", tmp_path / "report.json")
        assert status == 0
        assert json.loads(out) == json.loads((tmp_path / "report.json").read_text()) == read_submission(folder).score()
        assert run(folder, "--out", tmp_path / "report.txt")[1] == (tmp_path / "report.txt").read_text(encoding="utf-8")

    def test_an_invalid_submission_gives_status_1_and_lists_all_problems(self, run, folder):
        change(folder, seeds=[], date="today")
        status, out, err = run(folder)
        assert (status, err) == (1, "")
        assert [line[:21] for line in out.splitlines()[:2]] == ["PROBLEM: seeds = []: ", "PROBLEM: date = 'toda"]
        status, out, _ = run(folder, "--json")
        assert status == 1 and len(json.loads(out)["problems"]) == 2

    def test_bad_input_gives_status_2(self, run, folder, tmp_path):
        wrong = (((tmp_path / "none",), "allowed is one that exists"), ((folder, "--out", "a.csv"), ".json or .txt"))
        for words, part in wrong:
            status, out, err = run(*words)
            assert (status, out) == (2, "") and part in err and len(err.splitlines()) == 1


def test_its_error_crosses_processes():
    error = SubmissionError("here", ["one", "another"])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is SubmissionError and (str(again), again.problems) == (str(error), ("one", "another"))
