#!/bin/sh
# mlcroissant changes integers in an int64 column with a null, and returns text as bytes and arrays as lists.
#
# Versions: mlcroissant 1.1.1, pyarrow 26.0.1, numpy 2.4.6.
# Behaviour: A column of integers passes through a float once one of them is null: 2**53 + 1 comes
#     back as the integer 2**53, indistinguishable from a true one. A field of sc:Text comes back
#     as bytes, and a nested list of float32, declared as an array with a shape, as nested lists of
#     Python floats.
# A good guess: Integers are kept or raise an error; sc:Text is a str; an array with a declared shape
#     is a NumPy array of that shape.
# Seen: 9007199254740993 became 9007199254740992 (int); b'a' (bytes); [[1.0, 2.0], [3.0, 4.0]]
#     (list).
# Why it matters here: The release is described in Croissant and read with mlcroissant in the card.
#     None of its integer columns has nulls, sim_id is int32, and the card says that stars come as lists
#     of numbers.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip --disable-pip-version-check install --quiet numpy==2.4.6 pyarrow==26.0.1 mlcroissant==1.1.1 || exit 2
cd "$folder"
cat >seen.py <<'EOF'
import hashlib
import json
import logging
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

logging.disable(logging.WARNING)
import mlcroissant as mlc

place = pa.array([[[1.0, 2.0], [3.0, 4.0]]] * 3, pa.list_(pa.list_(pa.float32())))
ids = pa.array([2**53 + 1, None, 3], pa.int64())
pq.write_table(pa.table({"id": ids, "name": ["a", "b", "c"], "place": place}), "stars.parquet")


def field(name, kind, **more):
    return mlc.Field(
        id=f"stars/{name}",
        name=name,
        data_types=kind,
        source=mlc.Source(file_object="stars.parquet", extract=mlc.Extract(column=name)),
        **more,
    )


file = mlc.FileObject(
    id="stars.parquet",
    name="stars.parquet",
    content_url="stars.parquet",
    encoding_formats=["application/x-parquet"],
    sha256=hashlib.sha256(Path("stars.parquet").read_bytes()).hexdigest(),
)
fields = [
    field("id", mlc.DataType.INTEGER),
    field("name", mlc.DataType.TEXT),
    field("place", mlc.DataType.FLOAT, is_array=True, array_shape="2,2"),
]
stars = mlc.RecordSet(id="stars", name="stars", fields=fields)
metadata = mlc.Metadata(name="stars", url="https://example.org", distribution=[file], record_sets=[stars])
with open("croissant.json", "w") as out:
    json.dump(metadata.to_json(), out, default=str)
first = next(iter(mlc.Dataset("croissant.json").records("stars")))
for name, value in first.items():
    print(name, type(value).__name__, value)
as_described = first["stars/id"] == 2**53 and isinstance(first["stars/id"], int)
as_described &= first["stars/name"] == b"a" and isinstance(first["stars/place"], list)
sys.exit(0 if as_described else 1)
EOF
"$python" -W ignore seen.py
