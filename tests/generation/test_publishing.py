"""The published folder as others use it: `datasets`, the code of the card, the documented uploads; no network."""

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import pytest
import yaml
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.utils import filter_repo_objects

from generation import zenodo
from generation.card import CARD
from mwlmc_data.dataset import release, store
from tests.helpers.folder_contents import contents, files_in

OFFLINE = """
import json, pathlib, socket, sys
import numpy as np

def refuse(*arguments):
    raise OSError("the network was asked for")

socket.socket.connect = refuse
"""

LOAD = """
import datasets, pyarrow.parquet as pq
from generation.tables import CONFIG_COLUMNS, TEST_ALONE
from mwlmc_data.dataset import schema

root = pathlib.Path(sys.argv[1])
assert datasets.get_dataset_config_names(str(root)) == list(CONFIG_COLUMNS)
assert datasets.get_dataset_default_config_name(str(root)) == "gaussian"

def declared(columns):
    def kind(c):
        if len(c.shape) == 2:
            return datasets.Array2D((4500, 3), "float32")
        return datasets.List(datasets.Value("float32"), length=c.shape[0]) if c.shape else datasets.Value(c.base)

    return {c.name: kind(c) for c in columns}

for config in ("gaussian", "flat", "wide", *TEST_ALONE):
    rows = datasets.load_dataset(str(root), config, split="test")
    assert dict(rows.features) == declared(CONFIG_COLUMNS[config]), config
    table = pq.read_table(root / f"{config}/{config}-test.parquet")
    assert rows.data.table.combine_chunks().to_pydict() == table.to_pydict(), config

for split in schema.SPLITS:
    rows = datasets.load_dataset(str(root), "haloes", split=split, streaming=True)
    assert dict(rows.features) == declared(schema.HALO_COLUMNS)
    table = pq.read_table(sorted(root.glob(f"haloes/haloes-{split}-*.parquet")))
    seen = list(rows.with_format("numpy"))
    assert [int(row["sim_id"]) for row in seen] == table["sim_id"].to_pylist()
    for name in ("positions", "velocities"):
        expected = table[name].combine_chunks().flatten().flatten().to_numpy().reshape(-1, 4500, 3)
        found = np.stack([row[name] for row in seen])
        assert found.dtype == np.float32
        assert np.array_equal(found, expected)
    assert [str(row["split"]) for row in seen] == [split] * len(seen)
print("loaded")
"""


@pytest.fixture
def run(repository, tmp_path):
    """Function that runs code in a fresh process without a network, in a folder."""

    def run(code, folder, *arguments):
        environment = os.environ | {
            "PYTHONPATH": str(repository),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_DATASETS_CACHE": str(tmp_path / "cache"),
            "CROISSANT_CACHE": str(tmp_path / "croissant"),
        }
        command = [sys.executable, "-c", OFFLINE + code, *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_datasets_loads_and_streams_it(published, run, tmp_path):
    before = contents(published)
    assert run(LOAD, tmp_path, published) == "loaded\n"
    assert contents(published) == before


def test_the_code_of_the_card_runs(published, run, tmp_path):
    codes = blocks(CARD.read_text(encoding="utf-8"), "python")
    assert len(codes) == 2
    assert "DIR" not in codes[0]
    reported = """
print(json.dumps([
    len(table), halo.positions.shape, case.name, rows.num_rows, cases.num_rows, first.shape, positions.shape,
    int(record["haloes/sim_id"]), np.array(record["haloes/positions"]).shape,
]))
"""
    numbers = json.loads(run("\n".join([f"DIR = {str(published)!r}", *codes, reported]), tmp_path))
    stars = [4500, 3]
    assert numbers == [10_000, stars, "gc19-fiducial", 10_000, 3, stars, [2, *stars], 8, stars]


def test_the_shell_of_the_card_puts_files_that_lie_flat_in_their_places(published, tmp_path):
    for path in files_in(published).values():
        shutil.copy(path, tmp_path / path.name)
    (code,) = blocks(CARD.read_text(encoding="utf-8"), "sh")
    if shutil.which("sha256sum") is None:
        code = code.replace("sha256sum -c SHA256SUMS", "")
    subprocess.run(["sh", "-e", "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert contents(tmp_path) == contents(published)


class TestHub:
    @pytest.fixture
    def command(self, repository):
        """The documented upload command, split into words."""
        lines = (repository / "docs/PUBLISHING.md").read_text(encoding="utf-8").splitlines()
        (line,) = (line for line in lines if line.startswith("hf upload "))
        return line.split()

    def test_every_file_is_uploaded_and_files_of_users_are_not(self, published, command):
        pattern = command[command.index("--exclude") + 1].strip("'")
        left = [".stamps/gaussian-test.parquet.json", ".locks/a.lock", ".cache/huggingface/a"]
        taken = set(filter_repo_objects([*files_in(published), *left], ignore_patterns=[pattern]))
        assert taken == set(files_in(published))
        for name in taken:
            assert CommitOperationAdd(name, published / name).path_in_repo == name

    def test_the_documented_upload_command_exists(self, command):
        program = shutil.which("hf", path=os.path.dirname(sys.executable))
        if program is None:
            pytest.skip("the command hf is not installed beside Python")
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        command_line = [program, "upload", "--help"]
        reported = subprocess.run(command_line, capture_output=True, text=True, env=environment, check=True)
        for option in [word for word in command if word.startswith("--")]:
            assert option in reported.stdout
        assert callable(HfApi().upload_folder)


# zenodo/modules/deposit/jsonschemas/deposits/records/legacyrecord.json of github.com/zenodo/zenodo
ZENODO_FIELDS = {
    "access_right", "creators", "description", "keywords", "language", "license", "related_identifiers", "title",
    "upload_type", "version",
}  # fmt: skip


class TestZenodo:
    @pytest.fixture
    def metadata(self, published):
        return json.loads((published / ".zenodo.json").read_text(encoding="utf-8"))

    def test_fields_and_values_are_valid(self, metadata, repository):
        facts = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
        assert metadata.keys() == ZENODO_FIELDS
        assert metadata["upload_type"] == "dataset"
        assert metadata["access_right"] == "open"
        assert metadata["license"] == "cc-by-4.0"
        assert metadata["language"] == "eng"
        assert metadata["version"] == release.DATA_VERSION
        assert metadata["title"] == facts["title"]
        assert metadata["keywords"] == facts["keywords"]
        assert metadata["creators"] == [{"name": author["name"]} for author in facts["authors"]]
        (related,) = metadata["related_identifiers"]
        assert related == {
            "identifier": "arXiv:2507.10667", "relation": "references", "resource_type": "publication-preprint"
        }  # fmt: skip

    def test_no_doi_is_invented(self, metadata):
        assert "doi" not in json.dumps(metadata).lower()

    def test_the_description_is_html_and_says_what_is_missing(self, metadata):
        assert re.fullmatch(r"(<p>[^<>]+</p>){3}", metadata["description"])
        assert "this folder holds 14" in metadata["description"]

    def test_persons_and_special_characters(self, published):
        author = {"family-names": "Lovelace", "given-names": "Ada", "orcid": "https://orcid.org/0000-0002-1825-0097"}
        facts = {"title": "Größe", "abstract": "a < b & c", "keywords": [], "authors": [author]}
        text = zenodo.describe(store.Store(published).manifest, facts)
        assert '\n  "title": "Größe",\n' in text
        reported = json.loads(text)
        assert reported["creators"] == [{"name": "Lovelace, Ada", "orcid": "0000-0002-1825-0097"}]
        assert reported["description"].startswith("<p>a &lt; b &amp; c</p>")

    def test_the_documented_commands_upload_everything(self, published, repository, tmp_path):
        if shutil.which("curl") is None:
            pytest.skip("no curl on this machine")
        shutil.copytree(published, tmp_path / "DIR")
        (tmp_path / "DIR/.stamps").mkdir()
        (tmp_path / "DIR/.stamps/gaussian-test.parquet.json").write_text("{}")
        text = (repository / "docs/PUBLISHING.md").read_text(encoding="utf-8")
        (code,) = (block for block in blocks(text, "sh") if "/api/deposit/depositions" in block)
        with deposit_server() as (url, seen):
            assert "ZENODO=https://zenodo.org " in code
            code = code.replace("https://zenodo.org", url)
            environment = os.environ | {"ZENODO_TOKEN": "secret", "no_proxy": "127.0.0.1"}
            subprocess.run(["sh", "-e", "-c", code], cwd=tmp_path, env=environment, check=True, timeout=120)
        assert seen["metadata"] == {"metadata": json.loads((published / ".zenodo.json").read_text(encoding="utf-8"))}
        assert seen["files"] == {path.name: path.read_bytes() for path in files_in(published).values()}
        assert seen["tokens"] == {"Bearer secret"}


@contextlib.contextmanager
def deposit_server():
    """A local server with the two addresses of Zenodo's deposit API that the commands use."""
    seen = {"metadata": None, "files": {}, "tokens": set()}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, content, status):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def read(self):
            seen["tokens"].add(self.headers["Authorization"])
            return self.rfile.read(int(self.headers["Content-Length"]))

        def do_POST(self):
            assert self.path == "/api/deposit/depositions"
            seen["metadata"] = json.loads(self.read())
            links = {"bucket": f"{url}/api/files/0a1b", "html": f"{url}/deposit/1"}
            self.answer({"id": 1, "links": links}, 201)

        def do_PUT(self):
            seen["files"][self.path.removeprefix("/api/files/0a1b/")] = self.read()
            self.answer({}, 201)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url, seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
