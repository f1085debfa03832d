#!/bin/sh
# astropy 6.1.0 with NumPy 2 writes VOTables that hold no numbers, and reads them as masked.
#
# Versions: astropy 6.1.0, numpy 2.0.0 (a pair that astropy's requirements allow).
# Behaviour: A float is written as <TD>np.float64(0.5)</TD>. Table.read gives masked values in its
#     place; neither step raises an error.
# A good guess: The file has <TD>0.5</TD>, or writing or reading fails.
# Seen: cells ['np.float64(0.5)', 'np.float64(1.5)'], read as [None, None], without and with a mask.
# Why it matters here: A star table written that way has lost all its numbers, and a reader cannot
#     tell them from values that were not measured. `mwlmc reflex` refuses it, because positions are
#     missing; write VOTables with a later astropy.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.0.0 astropy==6.1.0 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import re
import sys

from astropy.table import MaskedColumn, Table

as_described = True
for values in ([0.5, 1.5], MaskedColumn([0.5, 1.5], mask=[False, True])):
    Table({"distance": values}).write("stars.vot", format="votable", overwrite=True)
    cells = re.findall("<TD>(.*?)</TD>|<TD/>", open("stars.vot").read())
    read = Table.read("stars.vot")["distance"].tolist()
    print(type(values).__name__, cells, read)
    as_described &= "np.float64(0.5)" in cells and read == [None, None]
sys.exit(0 if as_described else 1)
EOF
"$python" -W ignore seen.py
