"""The wording of messages to users, and the limits and times that are fixed."""

import dataclasses
import errno
import inspect

import pytest

from mwlmc_data.fetching import FetchError, errors, files, manifest, retrying
from mwlmc_data.fetching.errors import Request, format_size, get_free_space
from mwlmc_data.fetching.mirrors import parse
from mwlmc_data.fetching.retrying import Patience

RECORD = {"mirrors": [], "files": {"gaussian": {}, "wide": {}}, "manifest": None}
MAKE = "make them in a checkout of the repository (`python -m generation haloes --out DIR{}`), "
MAKE += "or let `load_halo` simulate those that you need."
EMBEDDED = "or read what the package embeds (`load_catalogue(config='gaussian')`)."
MIRROR = "ame a mirror that has them (`mwlmc fetch {} --mirror MIRROR`, or MWLMC_MIRRORS), "


def request(config="haloes", split=None, registered=(), root="/data/mw"):
    return Request("1.0.0", config, split, root, [parse("https://example.org/a")], RECORD | {"mirrors": registered})


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ("haloes", f"N{MIRROR.format('haloes')}{MAKE.format('')}"),
        (None, f"N{MIRROR.format('all')}{MAKE.format('')}"),
        ("haloes-wide", f"M{MAKE.format(' --config wide')[1:]}"),
        ("gaussian", f"N{MIRROR.format('gaussian')}{EMBEDDED}"),
        ("validation", f"N{MIRROR.format('validation').removesuffix(', ')}."),
    ],
)
def test_the_suggestions_fit_the_config(config, advice):
    text = str(request(config).no_mirror("3 of 4 files"))
    what = "every config" if config is None else f"config {config!r}"
    expected = (
        f"3 of 4 files of {what} of data version 1.0.0 are not in '/data/mw', and there is no mirror to fetch them "
        f"from: no deposit of this version is registered yet. {advice}"
    )
    assert text == expected


def test_each_failure_says_what_failed_and_why():
    asked = request(split="test", registered=("doi:10.5281/zenodo.1",))
    what = "config 'haloes', split 'test', of data version 1.0.0"
    assert f"the files of {what} are not in '/data/mw'" in str(asked.no_mirror("the files"))
    assert "from: no mirror was given. Name" in str(asked.no_mirror("the files"))
    offline = f"2 files of {what} cannot be fetched: this machine is offline, or no mirror can be reached (a: no). Name"
    assert str(asked.unreachable("2 files", "a: no")).startswith(offline)
    without = f"the files of {what} cannot be fetched: no mirror provides a manifest.json (a: no). Name"
    assert str(asked.no_manifest("a: no")).startswith(without)
    three = "f0: r0; f1: r1; f2: r2"
    for failures, listed in ((1, "f0: r0)"), (3, f"{three})"), (4, f"{three}; and 1 more)")):
        text = str(asked.failed(9, {f"f{i}": f"r{i}" for i in range(failures)}))
        assert text.startswith(f"{failures} of 9 files of {what} cannot be fetched ({listed}. {9 - failures} are in")
    for names, listed in ((["a"], "(a)"), (["a", "b", "c"], "(a, b, c)"), (["a", "b", "c", "d"], "(a, b, c, ...)")):
        text = str(asked.mixture(names, "0.9"))
        assert f"holds files of data version 0.9 that are not those of the release {listed}, but made here" in text
        assert text.endswith("Choose another folder (`directory`, or MWLMC_DATA_DIR), or remove this one.")


def test_a_wrong_manifest_is_suspected_where_files_are_missing_or_do_not_match(tmp_path):
    """But not without a mirror or a network, or for another release: then the fetched manifest is kept."""
    asked = request(root=tmp_path)
    assert asked.failed(2, {"f": "r"}).may_be_the_manifest
    assert asked.no_space(5).may_be_the_manifest
    for error in (
        asked.no_mirror("f"), asked.unreachable("f", "r"), asked.no_manifest("r"), asked.mixture(["f"], "0.9"),
    ):  # fmt: skip
        assert not error.may_be_the_manifest


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_999, "1000.0 kB"),
        (1_000_000, "1.0 MB"),
        (13_840_000_000, "13.8 GB"),
        (1_000_000_000, "1.0 GB"),
    ],
)
def test_sizes_have_their_unit(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_reported_with_the_space_needed(tmp_path, code):
    asked = request(root=tmp_path / "not" / "there")
    with pytest.raises(FetchError) as caught, asked.explain_disk_errors(2_500_000):
        raise OSError(code, "full")
    free = format_size(get_free_space(tmp_path)).partition(".")[0]
    reported = f"the disk is full or too small: what is missing of {asked} needs 2.5 MB in '{asked.root}', and {free}"
    assert str(caught.value).startswith(reported)
    with pytest.raises(FetchError, match=r"too small: .* needs 0 bytes in"), asked.explain_disk_errors():
        raise OSError(code, "full")


def test_other_disk_errors_are_reported_and_our_own_pass():
    asked = request()
    with pytest.raises(FetchError) as caught, asked.explain_disk_errors():
        raise PermissionError(errno.EACCES, "Permission denied")
    elsewhere = "Choose another folder (`directory`, or MWLMC_DATA_DIR)"
    assert str(caught.value) == f"cannot write to '/data/mw': Permission denied. {elsewhere}."
    with pytest.raises(FetchError, match=r"^mine$"), asked.explain_disk_errors():
        raise FetchError("mine")
    for error in (OSError("odd"), OSError(None, "odd")):  # without a number
        with pytest.raises(FetchError) as caught, asked.explain_disk_errors():
            raise error
        assert str(caught.value) == f"cannot write to '/data/mw': odd. {elsewhere}."


def test_fixed_limits():
    assert dataclasses.asdict(Patience()) == {
        "tries": 5,
        "few_tries": 2,
        "first": 1.0,
        "longest": 30.0,
        "longest_asked": 120.0,
        "connect": 10.0,
        "read": 60.0,
        "window": 30.0,
        "min_rate": 10_000.0,
        "last_min_rate": 1_000.0,
    }
    assert manifest.MAX_LENGTH == 8 * 2**20
    assert (errors._LISTED, manifest.LOCKS, manifest.MARK) == (3, ".locks", "fetched.json")
    options = {name: parameter.default for name, parameter in inspect.signature(files.fetch).parameters.items()}
    assert options == {"config": "haloes", "jobs": 4, "progress": True} | dict.fromkeys(
        ("split", "sim_ids", "mirrors", "directory", "version")
    )
    assert options == {name: p.default for name, p in inspect.signature(files.fetch_files).parameters.items()}


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True, "4"])
def test_there_is_at_least_one_job(tmp_path, jobs):
    with pytest.raises(ValueError, match="jobs"):
        files.fetch(mirrors=str(tmp_path), directory=tmp_path, jobs=jobs)


def test_pauses_lie_between_half_and_all_of_a_doubling_time(monkeypatch):
    patience = Patience(first=2.0, longest=9.0, longest_asked=50.0)
    for part in (0.5, 0.75, 1.0):

        class Jitter:
            @staticmethod
            def uniform(low, high, part=part):
                assert (low, high) == (0.5, 1.0)
                return part

        monkeypatch.setattr(retrying, "_JITTER", Jitter)
        assert [patience.pause(n, None) / part for n in (1, 2, 3, 4, 9)] == pytest.approx([2, 4, 8, 9, 9])
        assert patience.pause(2, 7.0) == pytest.approx(7.0 + 0.4 * part)
        assert patience.pause(1, 80.0) == pytest.approx(50.0 + 0.2 * part)
