"""The references to cite: complete, well formed, and nothing invented."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from mwlmc_data import citation
from mwlmc_data._version import __version__
from mwlmc_data.dataset import schema
from mwlmc_data.dataset.release import DATA_VERSION

ENTRY = re.compile(r"@(?P<kind>\w+)\{(?P<key>[^,]+),\n(?P<body>.*?)\n\}(?=\n\n|\Z)", re.DOTALL)
FIELD = re.compile(r"^  (?P<name>\w+) = \{(?P<value>.*)\},?$", re.MULTILINE)

# From the publishers' pages.
DOIS = {
    "Harris2020": "10.1038/s41586-020-2649-2",
    "Virtanen2020": "10.1038/s41592-019-0686-2",
    "Lam2015": "10.1145/2833157.2833162",
    "Astropy2022": "10.3847/1538-4357/ac7c74",
    "McKinney2010": "10.25080/Majora-92bf1922-00a",
    "Lhoest2021": "10.18653/v1/2021.emnlp-demo.21",
    "Uieda2020": "10.21105/joss.01943",
    "Vasiliev2019": "10.1093/mnras/sty2672",
    "Boelts2025": "10.21105/joss.07754",
    "Ansel2024": "10.1145/3620665.3640366",
    "Hunter2007": "10.1109/MCSE.2007.55",
    "ForemanMackey2016": "10.21105/joss.00024",
}
# Software without a paper that its authors ask to cite.
WITHOUT_A_PAPER = {"pyarrow", "requests", "urllib3", "filelock", "tqdm", "safetensors"}
CITED = {
    "numpy": "Harris2020",
    "scipy": "Virtanen2020",
    "numba": "Lam2015",
    "pandas": "McKinney2010",
    "astropy": "Astropy2022",
    "datasets": "Lhoest2021",
    "pooch": "Uieda2020",
    "agama": "Vasiliev2019",
    "sbi": "Boelts2025",
    "scikit-learn": "Pedregosa2011",
    "torch": "Ansel2024",
    "matplotlib": "Hunter2007",
    "corner": "ForemanMackey2016",
}


def parse_bibtex(text: str) -> dict[str, dict[str, str]]:
    entries = {}
    for match in ENTRY.finditer(text):
        assert match["key"] not in entries, f"{match['key']} appears twice"
        entries[match["key"]] = {field["name"]: field["value"] for field in FIELD.finditer(match["body"])}
    return entries


@pytest.fixture
def entries() -> dict[str, dict[str, str]]:
    return parse_bibtex(citation.cite())


def test_bibtex_is_the_default_and_well_formed(entries):
    text = citation.cite()
    assert text == citation.cite(style="bibtex")
    assert text.isascii()
    assert text.count("{") == text.count("}")
    # Every @ opens an entry that the parser understood: nothing is malformed and silently left out.
    assert len(entries) == text.count("@") == len(citation.references())
    for key, fields in entries.items():
        assert {"author", "title", "year"} <= fields.keys(), key


def test_the_paper_is_named_with_all_its_authors(entries):
    paper = entries["Brooks2025"]
    assert paper["eprint"] == "2507.10667"
    assert paper["archivePrefix"] == "arXiv"
    names = paper["author"].split(" and ")
    assert [name.split(",")[0] for name in names] == [
        "Brooks",
        "Sanders",
        "Dillamore",
        "Garavito-Camargo",
        "Price-Whelan",
    ]
    assert r"Nicol{\'a}s" in paper["author"]


def test_the_dataset_carries_its_version_and_no_invented_identifier(entries):
    dataset = entries["mwlmcdata"]
    assert dataset["version"] == DATA_VERSION
    assert __version__ in dataset["note"]
    assert not {"doi", "url", "eprint", "howpublished"} & dataset.keys()


def test_the_dois_of_the_software_are_right_and_there_are_no_others(entries):
    assert {key: fields["doi"] for key, fields in entries.items() if "doi" in fields} == DOIS


def test_all_required_software_is_cited_or_has_no_paper(repository, entries):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["benchmarks"], *extras["plot"], *extras["agama"]]
    needed = {Requirement(text).name for text in texts}
    assert needed == CITED.keys() | WITHOUT_A_PAPER
    assert set(CITED.values()) == entries.keys() - {"Brooks2025", "mwlmcdata"}


@pytest.mark.parametrize("style", ["bibtex", "text"])
def test_it_points_to_the_file_for_tools(repository, style):
    last = citation.cite(style).splitlines()[-1]
    assert "CITATION.cff" in last
    assert last.startswith("%") == (style == "bibtex"), "BibTeX reads past it"
    assert (repository / "CITATION.cff").is_file()


def test_the_file_for_tools_names_the_same_work(repository):
    file = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    work = citation.dataset()
    assert file["title"] == work.title
    assert [author["name"] for author in file["authors"]] == list(work.authors)
    assert file["references"][0]["title"] == citation.PAPER.title
    # The work is a dataset, so this is the data's licence; the code's is named in the abstract.
    assert file["type"] == "dataset"
    assert file["license"] == schema.LICENCE
    assert "BSD-3-Clause" in file["abstract"]


def test_characters_that_tex_would_misread_are_escaped(entries):
    assert entries["Hunter2007"]["journal"] == r"Computing in Science \& Engineering"
    assert not re.search(r"(?<!\\)[&%#$]", citation.cite().rpartition("\n")[0])


def test_text_has_one_readable_line_per_work():
    lines = citation.cite("text").splitlines()[:-1]
    assert len(lines) == len(citation.references())
    for line, reference in zip(lines, citation.references(), strict=True):
        assert reference.title in line
        assert f"({reference.year})" in line
        assert not re.search(r"[{}\\]", line)
    assert "arXiv:2507.10667" in lines[0]
    assert "Nicolás" in lines[0]
    assert "others" not in "\n".join(lines)


@pytest.mark.parametrize("style", ["apa", "BibTeX", "", None])
def test_an_unknown_style_is_an_error_that_names_the_allowed_ones(style):
    with pytest.raises(ValueError, match=re.escape(repr(style))) as error:
        citation.cite(style)
    assert "'bibtex'" in str(error.value)
    assert "'text'" in str(error.value)
