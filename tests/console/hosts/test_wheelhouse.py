"""Wheelhouses are whole or not there, and tell the first file that is not what was locked."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from console.hosts.prepare import making
from console.hosts.prepare.lock import Locked, Target
from console.hosts.prepare.packing import pack
from console.hosts.prepare.wheelhouse import MANIFEST, Wheelhouse, WheelhouseError
from operations import wire

sys.path.insert(0, str(Path(__file__).parent))
import small_wheelhouse as small


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """(directory of wheels, their lock)."""
    place = tmp_path_factory.mktemp("index") / "wheels"
    return place, small.packed(place)


@pytest.fixture(scope="module")
def whole(index, tmp_path_factory):
    directory = tmp_path_factory.mktemp("made") / "wheelhouse"
    told = []
    small.make(directory, *index, told.append)
    assert told == [f"{small.here()}: 3 wheels", "the program's own wheel"]
    return directory


def files(directory):
    return sorted(path.name for path in directory.iterdir())


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_it_holds_each_wheel_the_program_and_a_manifest_of_all(whole):
    house = Wheelhouse.open(whole)
    names = house.names(small.here())
    assert files(whole) == sorted([*names, MANIFEST])
    assert [name.partition("-")[0] for name in names if name.endswith(".whl")] == [
        *("msgspec", "psutil", "tomli_w", "gladiator_console"),
    ]
    house.verify(names)
    assert (house.manifest.program, house.manifest.protocol) == ("0.1.0", wire.PROTOCOL)
    with zipfile.ZipFile(whole / next(name for name in names if name.startswith("gladiator"))) as wheel:
        assert {"console/hosts/prepare/host.lock", "console/checklists/gladiator/plan.toml"} <= set(wheel.namelist())


def test_a_flipped_byte_is_told_by_the_files_name_and_made_anew_it_is_whole_again(index, whole, tmp_path):
    directory = Path(shutil.copytree(whole, tmp_path / "w"))
    house = Wheelhouse.open(directory)
    wheel = next(directory.glob("psutil*"))
    flip(wheel)
    with pytest.raises(WheelhouseError, match=f"{wheel.name}: is not the file that the manifest has locked"):
        house.verify(house.names(small.here()))
    place, locked = index
    small.make(directory, place, locked[:2])
    again = Wheelhouse.open(directory)
    again.verify(again.names(small.here()))
    assert files(directory) == sorted([*again.names(small.here()), MANIFEST])
    assert not any(name.startswith("tomli") for name in files(directory))  # what is not locked any more is gone


def test_a_wheel_that_is_not_as_locked_is_not_taken(index, tmp_path):
    place, locked = index
    wrong = [locked[0], Locked(locked[1].name, locked[1].version, "", ("0" * 64,))]
    with pytest.raises(WheelhouseError, match=r"pip download failed: ERROR: .*HASHES"):
        small.make(tmp_path / "w", place, wrong)
    assert files(tmp_path / "w") == []


def test_cut_off_it_has_whole_files_alone_and_goes_on(index, tmp_path, monkeypatch):
    moved = making._moved

    def interrupted(place, directory):
        moved(place, directory)
        (directory / ".new-cut").mkdir()  # as a killed process leaves it
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "_moved", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small.make(tmp_path / "w", *index)
    with pytest.raises(WheelhouseError, match="no wheelhouse; make one with"):
        Wheelhouse.open(tmp_path / "w")
    monkeypatch.undo()
    small.make(tmp_path / "w", *index)
    assert ".new-cut" not in files(tmp_path / "w")
    Wheelhouse.open(tmp_path / "w")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["{}/house", "--platform", "windows"],
            "--platform windows: none that hosts may be; macos-arm64, linux-x86_64",
        ),
        (["{}/house", "--python", "3.9"], "--python 3.9: write 3.11 or later"),
        (["{}/house", "--python", "three"], "--python three: write 3.11 or later"),
        (["{}/full"], "is no wheelhouse, it holds letters.txt: name another directory"),
        (["{}/full/letters.txt"], "name another directory"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, arguments, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letters.txt").write_text("dear")
    words = [sys.executable, "-P", "-m", "console", "wheelhouse", *(word.format(tmp_path) for word in arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env={**os.environ, "PIP_NO_INDEX": "1"})
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert files(tmp_path / "full") == ["letters.txt"]


def test_a_manifest_that_is_none_is_told(tmp_path, whole):
    (tmp_path / MANIFEST).write_bytes(b'{"schema": 9}')
    with pytest.raises(WheelhouseError, match=r"manifest\.json: can't be read"):
        Wheelhouse.open(tmp_path)
    manifest = msgspec.json.decode((whole / MANIFEST).read_bytes())
    manifest["files"]["../x"] = next(iter(manifest["files"].values()))  # a name that leads out
    (tmp_path / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(WheelhouseError, match=r"manifest\.json: can't be read"):
        Wheelhouse.open(tmp_path)


def test_a_kind_of_host_that_it_was_not_made_for_is_told(whole):
    house = Wheelhouse.open(whole)
    other = "macos-arm64" if small.here().platform != "macos-arm64" else "linux-arm64"
    with pytest.raises(WheelhouseError, match=f"has no wheels for {other}; it has .*--platform {other}"):
        house.pythons(other)
    assert house.names(Target(other, "3.11")) == []


def test_what_is_packed_from_an_installation_installs_to_the_same(tmp_path):
    psutil = importlib.metadata.distribution("psutil")
    wheel = pack(psutil, tmp_path)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(tmp_path / "t")]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    assert (tmp_path / "t" / "psutil" / "__init__.py").read_bytes() == psutil.locate_file(
        "psutil/__init__.py"
    ).read_bytes()


def test_an_installation_that_was_changed_is_not_packed(tmp_path, index):
    place, _ = index
    site = tmp_path / "site"
    with zipfile.ZipFile(next(place.glob("tomli*"))) as wheel:
        wheel.extractall(site)
    (distribution,) = importlib.metadata.distributions(path=[str(site)])
    assert pack(distribution, tmp_path).name == next(place.glob("tomli*")).name
    (site / "tomli_w" / "_writer.py").write_text("changed")
    with pytest.raises(WheelhouseError, match=r"tomli_w/_writer\.py was changed since it was installed"):
        pack(distribution, tmp_path)
