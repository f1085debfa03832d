"""What the tools of astronomers read in the footer of a Parquet file: units, descriptions and UCDs as a VOTable.

The VOParquet convention (Taylor et al., "Parquet in the VO", IVOA Note 1.0, 2025): a VOTable document without data
under one key of the file's metadata, and the version of the convention under another. astropy 7.1 and later read it
with ``Table.read(path, format="parquet.votable")``, TOPCAT by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    import pyarrow as pa

VERSION_KEY = "IVOA.VOTable-Parquet.version"
CONTENT_KEY = "IVOA.VOTable-Parquet.content"
CONVENTION = "1.0"

_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"  # that of VOTable 1.3 and of all later versions
_VOTABLE = "1.4"
#: Versions of VOTable whose units are written by the rules of the CDS.
_BEFORE_VOUNITS = ("1.0", "1.1", "1.2", "1.3")
#: Units that the standard VOUnits spells in another way.
_UNITS = {"Msun": "solMass", "km2/s2": "km**2/s**2"}


def footer_metadata(schema: pa.Schema, lengths: Mapping[str, int]) -> dict[str, str]:
    """Describe a table for the footer of its file.

    Parameters
    ----------
    schema : pyarrow.Schema
        Each field with its `unit`, `description` and `ucd` as metadata, as far as it has them; `title` and other facts
        as metadata of the schema.
    lengths : mapping of str to int
        Characters of the longest text in each column of text. astropy cannot join texts of no stated length to data.

    Returns
    -------
    dict of str to str
        The two keys of the convention.

    Raises
    ------
    TypeError
        If a VOTable has no type for a column.
    """
    return {VERSION_KEY: CONVENTION, CONTENT_KEY: describe(schema, lengths)}


def describe(schema: pa.Schema, lengths: Mapping[str, int]) -> str:
    """Write the VOTable without data that describes a table.

    Parameters
    ----------
    schema, lengths
        As for `footer_metadata`.

    Returns
    -------
    str
        XML, the same for the same schema.

    Raises
    ------
    TypeError
        If a VOTable has no type for a column.
    """
    facts = _decoded(schema.metadata)
    root = ElementTree.Element("VOTABLE", {"version": _VOTABLE, "xmlns": _NAMESPACE})
    resource = ElementTree.SubElement(root, "RESOURCE", {"type": "results"})
    title = facts.pop("title", "")
    if title:
        ElementTree.SubElement(resource, "DESCRIPTION").text = title
    for name in sorted(facts):
        ElementTree.SubElement(resource, "INFO", {"name": name, "value": facts[name]})
    table = ElementTree.SubElement(resource, "TABLE", {"name": facts.get("config", "table")})
    for field in schema:
        _add_field(table, field, lengths.get(field.name, 0))
    return ElementTree.tostring(root, encoding="unicode")


def read_units(document: bytes) -> dict[str, str]:
    """Read the units of the columns.

    Parameters
    ----------
    document : bytes
        A VOTable. astropy does not parse it: before version 7.1 it refuses texts of a stated greatest length.

    Returns
    -------
    dict of str to str
        The unit of each column that has one, as astropy spells it.

    Raises
    ------
    ValueError
        If it is not XML, or holds no table.
    """
    import astropy.units as u

    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is not XML: {error}") from error
    table = root.find(".//{*}TABLE")
    if table is None:
        raise ValueError("it holds no TABLE")
    syntax = "cds" if root.get("version", _VOTABLE) in _BEFORE_VOUNITS else "vounit"
    return {
        field.get("name", ""): str(u.Unit(field.get("unit", ""), format=syntax, parse_strict="silent"))
        for field in table.findall("{*}FIELD")
        if field.get("unit")
    }


def _add_field(table: ElementTree.Element, field: pa.Field, length: int) -> None:
    said = _decoded(field.metadata)
    attributes = {"name": field.name, **_type_of(field, length)}
    if said.get("unit"):
        attributes["unit"] = _UNITS.get(said["unit"], said["unit"])
    if said.get("ucd"):
        attributes["ucd"] = said["ucd"]
    element = ElementTree.SubElement(table, "FIELD", attributes)
    if said.get("description"):
        ElementTree.SubElement(element, "DESCRIPTION").text = said["description"]


def _type_of(field: pa.Field, length: int) -> dict[str, str]:
    """Datatype of a column and the shape of its cells, of which VOTable names the fastest dimension first."""
    import pyarrow as pa

    kind, shape = field.type, []
    while pa.types.is_fixed_size_list(kind):
        shape.append(str(kind.list_size))
        kind = kind.value_type
    names = {
        pa.bool_(): "boolean",
        pa.int16(): "short",
        pa.int32(): "int",
        pa.int64(): "long",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.string(): "unicodeChar",
    }
    is_text = kind == pa.string()
    if kind not in names or (shape and is_text):
        allowed = f"{', '.join(map(str, names))}, and lists of one size of numbers"
        raise TypeError(f"type of column {field.name} = {field.type}: allowed are {allowed}")
    arraysize = f"{max(length, 1)}*" if is_text else "x".join(reversed(shape))
    return {"datatype": names[kind]} | ({"arraysize": arraysize} if arraysize else {})


def _decoded(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in (metadata or {}).items()}
