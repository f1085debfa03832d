#!/bin/sh
# astropy 7.0 refuses a VOTable with Unicode text of a stated greatest length, which the standard allows.
#
# Versions: astropy 7.0.1 and 7.1.0, numpy 2.2.6.
# Behaviour: VOTable allows arraysize="10*", text of at most ten characters. astropy 7.0 refuses it for
#     unicodeChar with an error, though it reads it for char. 7.1.0 reads both.
# A good guess: both kinds of text are read, or both refused.
# Seen: 7.0.1 {'char': 'Fornax', 'unicodeChar': "E01: ... Invalid size specifier '10*' for a unicode
#     field ..."}; 7.1.0 'Fornax' for both.
# Why it matters here: The tables of this project have unicodeChar columns with lengths in their
#     footers: format="parquet.votable" reads them from astropy 7.1 on, as the card says.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/seen.py" <<'EOF'
import io
import sys

import astropy
from astropy.io.votable import parse

DOCUMENT = """<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="star" datatype="{kind}" arraysize="10*"/>
<DATA><TABLEDATA><TR><TD>Fornax</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""
outcome = {}
for kind in ("char", "unicodeChar"):
    try:
        table = parse(io.BytesIO(DOCUMENT.format(kind=kind).encode())).get_first_table().to_table()
        outcome[kind] = str(table["star"][0])
    except Exception as error:
        outcome[kind] = f"{type(error).__name__}: {str(error)[:70]}"
print(astropy.__version__, outcome)
is_old = astropy.__version__.startswith("7.0")
sys.exit(0 if (outcome["unicodeChar"] != "Fornax") == is_old and outcome["char"] == "Fornax" else 1)
EOF
status=0
for version in 7.0.1 7.1.0; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip --disable-pip-version-check install --quiet numpy==2.2.6 "astropy==$version" || exit 2
    "$folder/$version/bin/python" -W ignore "$folder/seen.py" || status=1
done
exit $status
