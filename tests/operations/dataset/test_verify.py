"""The verification: an export is right; what is planted in one is found and named."""

import hashlib
import json

import pytest

from operations.contract import Artefact, Refusal
from operations.dataset.sides import FILES
from operations.files import digest

FLAGS = ("verdict", "unchanged", "md5", "sha256", "counts")


class Export:
    """An export of 600 patterns, and what is done to it."""

    def __init__(self, host) -> None:
        self.host = host
        _, made, _ = host.run("dataset.corpus", patterns=600, batch=300, shift=0, seed=4)
        self.measures, made, _ = host.run("dataset.export", source=made["patterns"], gauntlet=0.1)
        self.dataset, self.gauntlet = made["dataset"], made["gauntlet"]
        self.directory = host.path(self.dataset)
        self.held = host.path(self.gauntlet)

    def lines(self, name):
        return (self.directory / name).read_bytes().splitlines(keepends=True)

    def signed_anew(self):
        """Both lists and the artefact's digests as someone makes them who covers his traces."""
        for tool, file in (("md5", "checksums.txt"), ("sha256", "sha256sums.txt")):
            names = [line.split("  ")[1] for line in (self.directory / file).read_text().splitlines()]
            found = [hashlib.new(tool, (self.directory / name).read_bytes()).hexdigest() for name in names]
            text = "".join(f"{d}  {n}\n" for d, n in zip(found, names, strict=True))
            (self.directory / file).write_text(text)
        self.dataset = Artefact(self.dataset.path, *digest(self.directory), "forged", "dataset")
        self.gauntlet = Artefact(self.gauntlet.path, *digest(self.held), "forged", "gauntlet")

    def verified(self, **parameters):
        measures, _, logs = self.host.run("dataset.verify", dataset=self.dataset, **parameters)
        return {name: measure.value for name, measure in measures.items()}, [log.text for log in logs]


@pytest.fixture
def export(host):
    return Export(host)


def test_an_export_is_right(export):
    found, _ = export.verified(gauntlet=export.gauntlet)
    assert [found[name] for name in FLAGS] == [True] * 5
    assert found["faults"] == "none"
    for name in ("train", "validation", "test", "gauntlet"):
        assert found[name] == export.measures[name].value
    assert (found["overlap"], found["masked_overlap"], found["repeated"], found["unusable"]) == (0, 0, 0, 0)
    assert len(found["masked_overlaps"]) == 6
    assert sum(found["distribution"].values()) == found["train"]
    alone, _ = export.verified(processes=1)
    assert (alone["verdict"], alone["gauntlet"], len(alone["overlaps"])) == (True, None, 3)


def planted(export, file, line):
    with (export.directory / file).open("ab") as stream:
        stream.write(line)
    export.signed_anew()
    return export.verified(gauntlet=export.gauntlet)[0]


def test_a_planted_overlap_is_found(export):
    found = planted(export, FILES[1], export.lines(FILES[0])[7])
    assert (found["verdict"], found["overlap"], found["overlaps"]["train and validation"]) == (False, 1, 1)
    assert (found["md5"], found["sha256"], found["unchanged"], found["counts"]) == (True, True, True, False)


def test_the_exports_own_leak_is_found_though_its_digests_and_counts_are_right(host):
    _, made, _ = host.run("dataset.corpus", patterns=600, batch=300, shift=0, seed=4)
    told, made, _ = host.run("dataset.export", source=made["patterns"], gauntlet=0.1, leak=True)
    assert told["control"].value.startswith("NEGATIVE CONTROL: 5 training patterns of each batch")
    found, _, _ = host.run("dataset.verify", dataset=made["dataset"])
    assert [found[name].value for name in ("md5", "sha256", "counts")] == [True, True, True]
    assert (found["verdict"].value, found["overlap"].value) == (False, 10)


def test_a_planted_gauntlet_pattern_in_training_is_found(export):
    found = planted(export, FILES[0], export.held.read_bytes().splitlines(keepends=True)[0])
    assert found["overlaps"]["train and gauntlet"] == found["overlap"] == 1
    assert found["verdict"] is False


def test_a_planted_overlap_in_other_literals_is_found(export):
    pattern = json.loads(export.lines(FILES[0])[3])
    words = ["x99" if word.isdigit() else word for word in pattern["payload"].split()]
    changed = " ".join(words).replace("x99", "31337").upper()
    found = planted(export, FILES[2], json.dumps({**pattern, "id": "twin", "payload": changed}).encode() + b"\n")
    assert (found["overlap"], found["masked_overlap"]) == (0, 1)
    assert found["masked_overlaps"]["train and test"] == 1
    assert found["verdict"] is False
    assert "once literals are masked" in found["faults"]


def test_a_flipped_byte_is_found(export):
    path = export.directory / FILES[0]
    data = bytearray(path.read_bytes())
    at = data.index(b'"payload":"') + 12
    data[at] ^= 1
    path.write_bytes(data)
    found, logs = export.verified(gauntlet=export.gauntlet)
    assert [found[name] for name in FLAGS] == [False, False, False, False, True]
    assert any(f"{FILES[0]} is not what checksums.txt says" in text for text in logs)


def test_a_line_removed_is_found_even_with_all_digests_made_anew(export):
    (export.directory / FILES[2]).write_bytes(b"".join(export.lines(FILES[2])[1:]))
    found, _ = export.verified()
    assert [found[name] for name in FLAGS] == [False, False, False, False, False]
    export.signed_anew()
    found, _ = export.verified()
    assert [found[name] for name in FLAGS] == [False, True, True, True, False]
    assert f"{FILES[2]} has {found['test']} patterns, {found['test'] + 1} were exported" in found["faults"]


def test_a_gauntlet_with_a_changed_byte_is_found(export):
    export.held.write_bytes(export.held.read_bytes().replace(b" ", b"  ", 1))
    found, _ = export.verified(gauntlet=export.gauntlet)
    assert (found["verdict"], found["unchanged"], found["sha256"]) == (False, False, True)


@pytest.mark.parametrize("file", [FILES[1], "checksums.txt", "sha256sums.txt", "counts.json"])
def test_what_is_missing_or_no_such_file_is_told(export, file):
    (export.directory / file).write_bytes(b"\xff nonsense")
    assert export.verified()[0]["verdict"] is False
    (export.directory / file).unlink()
    found, _ = export.verified()
    assert found["verdict"] is False
    assert file in found["faults"]


def test_repeated_and_unusable_lines_are_told(export):
    line = export.lines(FILES[1])[0]
    found = planted(export, FILES[1], line + b'{"payload": "no label"}\nnot JSON\n')
    assert (found["repeated"], found["unusable"], found["verdict"]) == (1, 2, False)


def test_nothing_to_verify_is_refused(export):
    export.held.unlink()
    with pytest.raises(Refusal, match="no file on this host"):
        export.verified(gauntlet=export.gauntlet)
    export.dataset = Artefact("jobs/none", "0" * 64, 0, "j", "dataset")
    with pytest.raises(Refusal, match="no directory"):
        export.verified()
