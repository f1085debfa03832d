"""How mirrors are written, and which are taken."""

import re
from pathlib import Path

import pytest

from mwlmc_data.fetching import mirrors

SHARD = "haloes/haloes-train-00003-of-00027.parquet"
NAME = "haloes-train-00003-of-00027.parquet"


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("doi:10.5281/zenodo.123", f"https://zenodo.org/records/123/files/{NAME}?download=1"),
        ("https://doi.org/10.5281/zenodo.123", f"https://zenodo.org/records/123/files/{NAME}?download=1"),
        ("hf:someone/some-data", f"https://huggingface.co/datasets/someone/some-data/resolve/main/{SHARD}"),
        ("hf:a/b@v1.0.0", f"https://huggingface.co/datasets/a/b/resolve/v1.0.0/{SHARD}"),
        ("hf:a/b@refs/pr/1", f"https://huggingface.co/datasets/a/b/resolve/refs%2Fpr%2F1/{SHARD}"),
        ("https://example.org/data", f"https://example.org/data/{SHARD}"),
        ("http://example.org:8080/", f"http://example.org:8080/{SHARD}"),
        ("  https://example.org/a%20b/ ", f"https://example.org/a%20b/{SHARD}"),
        ("/data/mwlmc", f"/data/mwlmc/{SHARD}"),
    ],
)
def test_each_form_gives_the_place_of_a_file(text, location):
    assert mirrors.parse(text).location(SHARD) == location


def test_a_name_is_quoted_in_a_url():
    assert mirrors.parse("https://example.org").location("a b/#1.parquet") == "https://example.org/a%20b/%231.parquet"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "doi:10.5281/zenodo.",
        "doi:10.1234/other.5",
        "10.5281/zenodo.5",
        "hf:nobody",
        "hf:a/b/c",
        "hf:a/b@",
        "hf:a/b@v 1",
        "ftp://example.org/data",
        "file:///data",
        "s3://bucket/data",
        "https://",
        "http:///data",
        "http://[::1/data",
        "http://host:port/",
        "http://host:0/",
        "https://example.org/?file=",
        "https://example.org/#files",
        "https://example.org/a b",
        "zenodo.org/records/5",
        "no-such-folder",
    ],
)
def test_a_bad_mirror_is_named_with_the_forms(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="mirror") as caught:
        mirrors.parse(text)
    for part in (repr(text.strip()), "doi:10.5281/zenodo.N", "hf:OWNER/NAME", "http(s)://", "folder"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["./release", "release", "../{}/release", "~/release"])
def test_a_folder_may_be_relative(text, tmp_path, monkeypatch):
    (tmp_path / "release").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    mirror = mirrors.parse(text.format(tmp_path.name))
    assert mirror.is_local
    assert Path(mirror.location(SHARD)).resolve() == (tmp_path / "release" / SHARD).resolve()
    monkeypatch.chdir("/")
    assert Path(mirror.base).is_dir()


def test_a_path_object_is_a_folder(tmp_path):
    assert mirrors.list_mirrors(tmp_path) == [mirrors.parse(str(tmp_path))]


def test_a_folder_may_appear_later(tmp_path):
    assert mirrors.parse(tmp_path / "disk").is_local


def test_a_folder_may_be_flat(tmp_path):
    mirror = mirrors.parse(tmp_path)
    (tmp_path / NAME).write_bytes(b"")
    assert mirror.location(SHARD) == str(tmp_path / NAME)
    (tmp_path / SHARD).parent.mkdir()
    (tmp_path / SHARD).write_bytes(b"")
    assert mirror.location(SHARD) == str(tmp_path / SHARD)


def test_a_password_is_used_and_never_shown():
    mirror = mirrors.parse("https://me:secret@example.org/data")
    assert mirror.location("a") == "https://me:secret@example.org/data/a"
    assert str(mirror) == "https://example.org/data"


class TestPrecedence:
    REGISTERED = ("https://registered.org",)

    def names(self, given):
        return [str(mirror) for mirror in mirrors.list_mirrors(given, self.REGISTERED)]

    def test_the_call_comes_first(self, monkeypatch):
        monkeypatch.setenv(mirrors.VARIABLE, "https://environment.org")
        assert self.names(["https://one.org", "hf:a/b"]) == ["https://one.org", "hf:a/b"]
        assert self.names("https://one.org") == ["https://one.org"]
        assert self.names([]) == []

    def test_then_the_environment(self, monkeypatch):
        monkeypatch.setenv(mirrors.VARIABLE, " https://b.org\n\tdoi:10.5281/zenodo.7  https://b.org/ ")
        assert self.names(None) == ["https://b.org", "doi:10.5281/zenodo.7"]

    @pytest.mark.parametrize("text", [None, "", "  "])
    def test_then_the_registry(self, monkeypatch, text):
        monkeypatch.delenv(mirrors.VARIABLE, raising=False)
        if text is not None:
            monkeypatch.setenv(mirrors.VARIABLE, text)
        assert self.names(None) == ["https://registered.org"]
        assert mirrors.list_mirrors(None) == []

    @pytest.mark.parametrize("separator", [" ", "\n", "\t ", ",", ", ", ";", " ; ", ",\n"])
    def test_every_separator(self, monkeypatch, separator):
        monkeypatch.setenv(mirrors.VARIABLE, separator.join(["https://b.org", "hf:a/b@1.0.0", "doi:10.5281/zenodo.7"]))
        assert self.names(None) == ["https://b.org", "hf:a/b@1.0.0", "doi:10.5281/zenodo.7"]

    @pytest.mark.parametrize("name", ["my data", "a, b; c", "it's", " edge", "x\ty"])
    def test_a_folder_with_a_space_in_its_name(self, monkeypatch, tmp_path, name):
        folder = tmp_path / name
        mark = '"' if "'" in name else "'"
        monkeypatch.setenv(mirrors.VARIABLE, f"https://b.org, {mark}{folder}{mark} {mark}/other place{mark}")
        assert self.names(None) == ["https://b.org", str(folder), "/other place"]
        folder.mkdir()
        monkeypatch.setenv(mirrors.VARIABLE, str(folder))  # a single folder that exists needs no quotes
        assert self.names(None) == [str(folder)]
        monkeypatch.setenv(mirrors.VARIABLE, f"  {folder}\n")
        assert self.names(None) == [str(folder)]

    @pytest.mark.parametrize("text", ["https://b.org /my data", "'/my data", '/my" data"', "a''b", "ftp://b.org", "''"])
    def test_text_that_is_not_understood_is_named_with_the_variable(self, monkeypatch, text):
        monkeypatch.setenv(mirrors.VARIABLE, text)
        with pytest.raises(ValueError, match="quotes") as error:
            mirrors.list_mirrors(None)
        assert str(error.value).startswith(f"{mirrors.VARIABLE} = {text!r}: ")

    @pytest.mark.parametrize(("text", "rest"), [("'/my data", "'/my data"), ("https://b.org, '/my data", "'/my data")])
    def test_the_rest_of_the_text_is_shown(self, monkeypatch, text, rest):
        monkeypatch.setenv(mirrors.VARIABLE, text)
        with pytest.raises(ValueError, match=rf"\({re.escape(repr(rest))} has a quote that is not closed"):
            mirrors.list_mirrors(None)
