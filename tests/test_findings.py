"""The folder of findings: every script has the form that its README states, and a line in it."""

import os
import re

import pytest

PARTS = ["Versions:", "Behaviour:", "A good guess:", "Seen:", "Why it matters here:"]


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "findings"


def test_every_script_has_a_line_in_alphabetical_order(folder):
    listed = re.findall(r"^- \[(\w+\.sh)\]\((\w+\.sh)\): \S", (folder / "README.md").read_text("utf-8"), flags=re.M)
    assert all(text == target for text, target in listed)
    assert [target for _, target in listed] == sorted(path.name for path in folder.glob("*.sh")) != []


def test_every_script_has_the_form(folder):
    for path in folder.glob("*.sh"):
        text = path.read_text("utf-8")
        comment = [line for line in text.partition("set -eu\n")[0].splitlines() if line.startswith("#")]
        heads = [line[2:].partition(":")[0] + ":" for line in comment if re.match(r"# [A-Z][^.]*?: ", line)]
        assert [head for head in heads if head in PARTS] == PARTS, path.name
        assert "mktemp -d" in text and "trap 'rm -rf" in text, path.name
        packages = re.findall(r"pip .*?install --quiet (.*) \|\| exit 2", text)
        assert packages and all("==" in package for line in packages for package in line.split()), path.name
        assert "sys.exit(0 if" in text and "mwlmc" not in text.partition("set -eu\n")[2], path.name
        assert os.access(path, os.X_OK), path.name
