"""Snapshots in the layouts of GIZMO, Gadget-4 and SWIFT: the same particles from each, and refusals of the rest."""

import shutil

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="h5py is not installed: there are no files of other codes")

from mwlmc_data.rewinding.selection import Selection  # noqa: E402
from mwlmc_data.snapshots import Snapshot, measure, read  # noqa: E402
from tests.helpers.snapshot_files import write_gadget4, write_gizmo, write_swift  # noqa: E402
from tests.helpers.snapshot_world import LMC, STARS, expansion, make_world, turn_about  # noqa: E402

H = 0.7
SATELLITE = {"id_range": (10_000, 10_299)}
#: Writer, its options, and what the reader must be told.
LAYOUTS = {
    "gizmo": (write_gizmo, {"parts": 3}, {"units": "kpc/h"}),
    "gizmo, comoving": (write_gizmo, {"a": 0.6, "parts": 3}, {"units": "kpc/h"}),
    "gizmo, Mpc": (write_gizmo, {"a": 0.6, "length": 1000.0}, {"units": "Mpc/h"}),
    "gizmo, its units in words": (
        write_gizmo,
        {"a": 0.6},
        {"units": {"length": "kpc /h", "mass": "1e10 Msun/h", "velocity": "km/s"}},
    ),
    "gizmo, units stated": (write_gizmo, {"a": 0.6, "states_units": True}, {}),
    "gizmo, units stated, without expansion": (write_gizmo, {"length": 1000.0, "states_units": True, "parts": 2}, {}),
    "gizmo today": (write_gizmo, {"a": 1.0}, {"units": "kpc/h", "cosmological": True}),
    "gadget-4": (write_gadget4, {"parts": 2}, {}),
    "gadget-4, table of masses": (write_gadget4, {"mass_table": True}, {}),
    "gadget-4, comoving": (write_gadget4, {"a": 0.6, "scalings": True}, {}),
    "swift": (write_swift, {}, {}),
    "swift, comoving": (write_swift, {"a": 0.6, "parts": 2}, {}),
    "swift, virtual": (write_swift, {"a": 0.6, "parts": 2, "virtual": True}, {}),
}


@pytest.fixture(scope="module")
def world():
    return make_world(n=900, turn=turn_about([1, 2, 3], 1.1))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_particles(name, world, tmp_path):
    write, options, told = LAYOUTS[name]
    snapshot = read(write(tmp_path, world, **options), **told)
    a = options.get("a")
    order = np.argsort(snapshot.ids)
    wanted = np.argsort(world.ids)
    assert np.array_equal(snapshot.ids[order], world.ids[wanted]) and snapshot.ids.dtype == np.uint64
    assert np.array_equal(snapshot.types[order], world.types[wanted])
    assert np.allclose(snapshot.positions[order], world.x[wanted], rtol=1e-12, atol=0)
    assert np.allclose(snapshot.masses[order], world.m[wanted], rtol=1e-12, atol=0)
    rate = 0.0 if a is None else expansion(a, H)
    assert snapshot.hubble == pytest.approx(rate, rel=1e-12)
    velocities = snapshot.velocities + rate * (snapshot.positions - world.centre[:3])
    assert np.allclose(velocities[order], world.v[wanted], rtol=1e-10, atol=1e-10)


@pytest.fixture(scope="module")
def reflex(world):
    return measure(world.fields(), SATELLITE, selection=Selection(r_max=300), centre=4, tracers=1, disc=4)


@pytest.mark.parametrize("name", ["gizmo, comoving", "gadget-4, table of masses", "swift, virtual"])
def test_every_layout_gives_the_same_reflex(name, world, reflex, tmp_path):
    write, options, told = LAYOUTS[name]
    paths = write(tmp_path, world, **options)
    found = measure(paths, SATELLITE, selection=Selection(r_max=300), centre=4, tracers=1, disc=4, **told)
    assert np.allclose(found.reflex.values, reflex.reflex.values, atol=1e-8)
    assert list(found.observation.values()) == pytest.approx(list(reflex.observation.values()), abs=1e-8)
    assert (found.kind == "cosmological") == ("a" in options)
    assert paths[0].name in found.source and dict(found.truth) == pytest.approx(dict(reflex.truth))


def test_the_masses_are_those_within_the_radii(world, reflex):
    offset = np.linalg.norm(world.x - world.centre[:3], axis=1)
    assert reflex.truth["m_lmc"] == pytest.approx(300 * 3e8)
    assert reflex.truth["m_mw_50"] == pytest.approx(world.m[(offset < 50) & (world.ids < 10_000)].sum(), rel=0.01)
    assert reflex.truth["m_lmc_8p7"] < reflex.truth["m_lmc_50"] <= reflex.truth["m_lmc"]


class TestParts:
    @pytest.fixture
    def paths(self, world, tmp_path):
        return write_gizmo(tmp_path / "snapdir_600", world, parts=3)

    def test_a_folder_a_list_and_a_common_name_are_the_same(self, paths):
        folder = paths[0].parent
        found = [read(p, "kpc/h") for p in (folder, str(folder), paths[::-1], folder / "snapshot_600")]
        assert all(np.array_equal(item.positions, found[0].positions) for item in found)
        assert "and 2 more files" in found[0].source

    def test_one_part_alone_is_refused(self, paths):
        with pytest.raises(ValueError, match=r"path = 1 of the 3 files .*missing: 0, 2\): allowed is all of them"):
            read(paths[1], "kpc/h")

    def test_a_missing_part_is_named(self, paths):
        paths[2].unlink()
        with pytest.raises(ValueError, match=r"path = 2 of the 3 files .*missing: 2"):
            read(paths[0].parent, "kpc/h")

    def test_the_same_part_twice_is_refused(self, paths):
        with pytest.raises(ValueError, match="some of them given twice"):
            read([paths[0], paths[1], paths[1]], "kpc/h")
        copy = paths[0].with_name("copy.5.hdf5")
        shutil.copy(paths[0], copy)
        with pytest.raises(ValueError, match=r"particles of type 1: allowed is all 1,200 of the snapshot"):
            read([paths[0], paths[1], copy], "kpc/h")

    def test_parts_of_two_snapshots_are_refused(self, paths, world, tmp_path):
        others = write_gizmo(tmp_path / "b", world, a=0.6, parts=3)
        with pytest.raises(ValueError, match=r"files of two snapshots: Header, Time is 5.1 in snapshot_600.0.hdf5"):
            read([paths[0], paths[1], others[2]], "kpc/h")
        fewer = write_gizmo(tmp_path / "c", make_world(n=100), parts=3)
        with pytest.raises(ValueError, match="NumPart_Total differs"):
            read([paths[0], paths[1], fewer[2]], "kpc/h")

    def test_a_folder_of_two_snapshots_or_of_none_is_refused(self, paths, world, tmp_path):
        write_gizmo(paths[0].parent, world, parts=3, stem="snapshot_599")
        with pytest.raises(ValueError, match="with the snapshots snapshot_599, snapshot_600"):
            read(paths[0].parent, "kpc/h")
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match="without HDF5 files"):
            read(tmp_path / "empty", "kpc/h")

    def test_what_is_no_path_is_refused(self, tmp_path):
        for wrong in (3, [], [3], None):
            with pytest.raises(ValueError, match=r"^path = "):
                read(wrong)
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            read(tmp_path / "nothing.hdf5")

    def test_a_virtual_file_without_a_part_is_refused(self, world, tmp_path):
        (meta,) = write_swift(tmp_path, world, parts=2, virtual=True)
        (tmp_path / "snap_0010.1.hdf5").unlink()
        with pytest.raises(ValueError, match=r"virtual file without its parts snap_0010.1.hdf5"):
            read(meta)

    def test_a_folder_with_a_virtual_file_is_its_parts(self, world, tmp_path):
        write_swift(tmp_path, world, parts=2, virtual=True)
        assert len(read(tmp_path)) == len(world.x) and "and 1 more" in read(tmp_path).source


class TestDamage:
    def edit(self, path, action):
        with h5py.File(path, "r+") as file:
            action(file)

    @pytest.fixture
    def path(self, world, tmp_path):
        return write_gadget4(tmp_path, world)[0]

    def test_a_cut_file_is_refused(self, path):
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(ValueError, match=r"allowed is a whole HDF5 file; this one is cut or of another format"):
            read(path)

    def test_a_foreign_file_is_refused(self, tmp_path):
        other = tmp_path / "other.hdf5"
        other.write_text("nothing of the kind")
        with pytest.raises(ValueError, match="of another format"):
            read(other)
        with h5py.File(other, "w") as file:
            file["data"] = np.zeros(3)
        with pytest.raises(ValueError, match=r"without the numbers of particles .*: allowed is a snapshot of GIZMO"):
            read(other)

    @pytest.mark.parametrize("name", ["PartType1/Coordinates", "PartType4/Velocities", "PartType4"])
    def test_missing_arrays_are_named(self, path, name):
        self.edit(path, lambda file: file.__delitem__(name))
        with pytest.raises(ValueError, match=f"without {name}"):
            read(path)

    def test_masses_in_no_place_are_refused(self, path):
        self.edit(path, lambda file: file.__delitem__("PartType1/Masses"))
        with pytest.raises(ValueError, match=r"without PartType1/Masses, and Header, MassTable is 0"):
            read(path)

    def test_an_array_of_another_length_is_refused(self, path):
        def shorten(file):
            values = file["PartType1/Velocities"][:-1]
            del file["PartType1/Velocities"]
            file["PartType1/Velocities"] = values

        self.edit(path, shorten)
        with pytest.raises(ValueError, match=r"Velocities has the shape \(1199, 3\): allowed is \(1200, 3\)"):
            read(path)

    def test_numbers_that_are_not_finite_are_counted(self, path):
        def spoil(file):
            file["PartType4/Coordinates"][3, 1] = np.nan

        self.edit(path, spoil)
        with pytest.raises(ValueError, match=r"PartType4/Coordinates holds 1 numbers that are not finite"):
            read(path)

    @pytest.mark.parametrize("name", ["UnitMass_in_g", "UnitVelocity_in_cm_per_s"])
    def test_missing_units_are_named(self, path, name):
        self.edit(path, lambda file: file["Parameters"].attrs.__delitem__(name))
        with pytest.raises(ValueError, match=f"without Parameters, {name}: allowed is a file with it"):
            read(path)

    def test_a_checksum_that_fails_is_refused(self, path):
        def protect(file):
            values = file["PartType1/Coordinates"][...]
            del file["PartType1/Coordinates"]
            file.create_dataset("PartType1/Coordinates", data=values, chunks=values.shape, fletcher32=True)
            return file["PartType1/Coordinates"].id.get_chunk_info(0).byte_offset

        with h5py.File(path, "r+") as file:
            place = protect(file)
        data = bytearray(path.read_bytes())
        data[place + 100] ^= 0xFF
        path.write_bytes(bytes(data))
        with pytest.raises(ValueError, match=r"PartType1/Coordinates is damaged .*: allowed is a whole file"):
            read(path)

    def test_units_of_an_array_that_contradict_the_header_are_refused(self, world, tmp_path):
        (path,) = write_gadget4(tmp_path / "b", world, a=0.6, scalings=True)
        self.edit(path, lambda file: file["PartType1/Coordinates"].attrs.__setitem__("h_scaling", 0.0))
        with pytest.raises(ValueError, match="allowed is a file that agrees with itself"):
            read(path)


class TestUnits:
    def test_a_silent_file_is_not_guessed(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world)
        with pytest.raises(ValueError, match=r"units = None: .* kpc/h and with Mpc/h; allowed is 'kpc/h', 'Mpc/h'"):
            read(path)

    @pytest.mark.parametrize(("length", "told"), [(1.0, "Mpc/h"), (1000.0, "kpc/h")])
    def test_a_wrong_length_is_refused_by_the_size_of_the_galaxy(self, world, tmp_path, length, told):
        (path,) = write_gizmo(tmp_path, world, length=length)
        with pytest.raises(ValueError, match=r"half of the mass of the stars lies within .*is it kpc/h or Mpc/h"):
            read(path, told)
        with pytest.raises(ValueError, match="half of the mass of the particles lies within"):
            read(path, told, types=1)

    @pytest.mark.parametrize(
        "units", ["pc", 3, {"length": "kpc"}, {"length": "kpc", "mass": "kpc", "velocity": "km/s"}, {"size": "kpc"}]
    )
    def test_units_that_are_none_are_refused(self, world, tmp_path, units):
        (path,) = write_gizmo(tmp_path, world)
        with pytest.raises(ValueError, match=r"^units.*allowed is|^units (lacks|holds)"):
            read(path, units)

    def test_units_are_not_given_twice(self, world, tmp_path):
        for write, options in ((write_gizmo, {"a": 0.6, "states_units": True}), (write_gadget4, {}), (write_swift, {})):
            paths = write(tmp_path / write.__name__, world, **options)
            with pytest.raises(ValueError, match="states its own: allowed is None"):
                read(paths, "kpc")

    def test_h_in_a_run_without_expansion_is_open(self, world, tmp_path):
        (path,) = write_gadget4(tmp_path, world, stated_h=0.7)
        with pytest.raises(ValueError, match=r"HubbleParam = 0.7, so that its lengths may be in kpc or in kpc/h"):
            read(path)
        snapshot = read(path, "kpc")
        assert np.allclose(np.sort(snapshot.positions[:, 0]), np.sort(world.x[:, 0]))
        assert "kpc" in snapshot.notes[0] and "half of the mass" in snapshot.notes[1]

    def test_units_without_the_version_of_gizmo_may_be_per_h(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world, states_units=True, GIZMO_version=None)
        with pytest.raises(ValueError, match="does not say its units"):
            read(path)

    def test_per_h_needs_h(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world, HubbleParam=None)
        with pytest.raises(ValueError, match="without Header, HubbleParam"):
            read(path, "kpc/h")
        assert len(read(path, "kpc")) == len(world.x)

    def test_swift_without_units_is_refused(self, world, tmp_path):
        (path,) = write_swift(tmp_path, world)
        with h5py.File(path, "r+") as file:
            attributes = file["PartType1/Coordinates"].attrs
            for name in list(attributes):
                if name.startswith(("U_L", "Conversion")):
                    del attributes[name]
        with pytest.raises(ValueError, match=r"/PartType1/Coordinates has no units"):
            read(path)


class TestExpansion:
    def test_a_scale_factor_of_one_is_not_guessed(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world, a=1.0)
        with pytest.raises(ValueError, match=r"cosmological = None: .*allowed is True or False"):
            read(path, "kpc/h")
        assert read(path, "kpc/h", cosmological=True).is_cosmological
        assert not read(path, "kpc/h", cosmological=False).is_cosmological

    def test_what_the_file_says_is_not_contradicted(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world, a=0.6)
        with pytest.raises(ValueError, match=r"cosmological = False: .*says it is: allowed is True or None"):
            read(path, "kpc/h", cosmological=False)
        with pytest.raises(ValueError, match="allowed is True or False or None"):
            read(path, "kpc/h", cosmological="yes")

    @pytest.mark.parametrize("name", ["Omega0", "OmegaLambda"])
    def test_a_missing_density_is_named(self, world, tmp_path, name):
        (path,) = write_gizmo(tmp_path, world, a=0.6, **{name: None})
        with pytest.raises(ValueError, match=f"without Header, {name}"):
            read(path, "kpc/h")

    def test_a_time_that_is_no_scale_factor_is_refused(self, world, tmp_path):
        (path,) = write_gizmo(tmp_path, world, a=0.6, states_units=True, Redshift=2.0)
        with pytest.raises(ValueError, match=r"Time = 0.6 with Redshift = 2.0: allowed .* is the scale factor"):
            read(path)

    def test_a_galaxy_across_the_side_of_the_box_is_in_one_piece(self, world, tmp_path):
        box, options = 60_000.0, {"selection": Selection(r_max=300), "centre": 4, "tracers": 1, "disc": 4}
        (whole,) = write_gizmo(tmp_path / "a", world, a=0.6)
        (split,) = write_gizmo(tmp_path / "b", world, a=0.6)
        with h5py.File(split, "r+") as file:
            for kind in (1, STARS):
                x = file[f"PartType{kind}/Coordinates"]
                x[...] = (x[...] - [2330.0, 0.0, 930.0]) % (box * H)
        shift = np.array([2330.0, 0.0, 930.0]) * 0.6 / H
        places = [world.centre[:3] + LMC[:3] @ world.turn, world.centre[:3] + LMC[:3] @ world.turn - shift]
        for one, other in ((SATELLITE, SATELLITE), [{"near": place % (box * 0.6), "radius": 20.0} for place in places]):
            found = [
                measure(path, satellite, units="kpc/h", **options) for path, satellite in ((whole, one), (split, other))
            ]
            assert np.allclose(found[0].reflex.values, found[1].reflex.values, atol=1e-6)
            assert list(found[0].lmc.values()) == pytest.approx(list(found[1].lmc.values()), abs=1e-6)

    def test_a_shell_without_an_end_is_refused(self, world, tmp_path):
        paths = write_swift(tmp_path, world, a=0.6)
        with pytest.raises(ValueError, match=r"selection = a shell without an end: allowed is a finite r_max"):
            measure(paths, SATELLITE, centre=4, tracers=1)


def test_only_the_types_asked_for_are_read(world, tmp_path):
    paths = write_gadget4(tmp_path, world, parts=2)
    assert set(read(paths, types=STARS).types) == {STARS}
    with pytest.raises(ValueError, match=r"has none of 3: allowed are 1, 4"):
        read(paths, types=[1, 3])
    with pytest.raises(ValueError, match="types"):
        read(paths, types=[])


def test_identifiers_are_unsigned_and_may_repeat(world, tmp_path):
    world = make_world(n=200)
    world.ids = world.ids + np.uint64(2**63)
    world.ids[1] = world.ids[0]
    paths = write_gizmo(tmp_path, world)
    with h5py.File(paths[0], "r+") as file:  # a type with another kind of integer
        ids = file[f"PartType{STARS}/ParticleIDs"][...]
        del file[f"PartType{STARS}/ParticleIDs"]
        file[f"PartType{STARS}/ParticleIDs"] = (ids - np.uint64(2**63)).astype(np.int64)
        world.ids[world.types == STARS] -= np.uint64(2**63)
    snapshot = read(paths, "kpc/h")
    assert np.array_equal(np.sort(snapshot.ids), np.sort(world.ids)) and snapshot.ids.max() > 2**63


def test_without_h5py_the_extra_is_named(world, tmp_path, monkeypatch):
    import sys

    paths = write_swift(tmp_path, world)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'pip install "mwlmc-data\[snapshots\]"'):
        read(paths)


def test_a_snapshot_shows_itself_in_a_line(world):
    text = repr(Snapshot(**world.fields()))
    assert text.startswith("<Snapshot: particles 1,600, types 1: 1,200; 4: 400, mass ") and "\n" not in text
