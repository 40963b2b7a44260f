"""A transfer by rsync over SSH between two hosts of the lab, and what keeps it from beginning or ending."""

import os
import shutil
import subprocess

import pytest

from operations import events
from operations.contract import Artefact
from operations.files import digest
from operations.network import syncing
from operations.network.passing import BLOCK, Ready
from operations.network.transfer import Parameters

SIZE = BLOCK + 12_345


@pytest.fixture
def brought(lab, new_run):
    """Brings what lies under the source's root from beta to alpha; its run has ``ends``, with both ends' last words."""
    run = new_run("network.transfer", ("sink", "source"), lab=lab, hosts=("alpha", "beta"))
    there = lab.host["alpha"]

    def bring(path, *, id="t1", resume=(), digest_of=None, **changed):
        run.id = id
        sha256, size = digest(digest_of or path)
        relative = path.relative_to(run.roots["source"]).as_posix()
        artefact = {"path": relative, "sha256": sha256, "size": size, "job": "j0", "name": "data"}
        stated = {
            "via": "rsync",
            "identity": str(there.identity),
            "known_hosts": str(there.known_hosts),
            "address": there.address,
        }
        run.ends = run.all(**{"artefact": artefact, **stated, **changed}, per_role={"sink": {"resume": resume}})
        return run

    bring.run = run
    return bring


@pytest.fixture
def file(brought):
    path = brought.run.roots["source"] / "data" / "pat terns.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(SIZE))
    return path


def left_of(run):
    made = run.said("sink", events.Made)
    return [Artefact(path=m.path, sha256=m.sha256, size=m.size, job=run.id, name=m.name) for m in made]


def test_a_file_arrives_and_one_that_was_cut_goes_on(brought, file, lab):
    run = brought(file)
    assert {end.outcome for end in run.ends.values()} == {"done"}, run.ends
    (made,) = [made for made in run.said("sink", events.Made) if made.name == "copy"]
    assert (run.roots["sink"] / made.path).read_bytes() == file.read_bytes()
    for role in ("sink", "source"):
        found = run.measures(role)
        assert (found["match"].value, found["size"].value, found["resumed"].value) == (True, SIZE, 0)
        assert found["digest"].value == made.sha256
        assert found["observed"].value > 0
    # the same once more, of which an earlier attempt had brought a part
    left = [made for made in left_of(run) if made.name == "partial"]
    part = (run.roots["sink"] / left[0].path).with_name(f".{file.name}.part")
    part.write_bytes(file.read_bytes()[: BLOCK + 5])
    run = brought(file, id="t2", resume=left)
    assert {end.outcome for end in run.ends.values()} == {"done"}, run.ends
    for role in ("sink", "source"):
        assert run.measures(role)["resumed"].value == BLOCK + 5
    assert not [path for path in run.roots["sink"].rglob(".*") if path.is_file()]


def test_the_cable_pulled_leaves_a_part_to_be_taken_up(brought, file, lab):
    run = brought.run
    lab.rate("alpha", "40mbit")
    there = lab.host["alpha"]
    sha256, size = digest(file)
    artefact = {"path": "data/pat terns.json", "sha256": sha256, "size": size, "job": "j0", "name": "data"}
    stated = {"via": "rsync", "identity": str(there.identity), "known_hosts": str(there.known_hosts)}
    given = {"artefact": artefact, **stated, "address": there.address, "patience": 5.0}
    run.start("sink", **given)
    run.start("source", **{**given, **run.endpoint()})
    run.host.until(lambda: any(told.done > 500_000 for told in run.said("sink", events.Progress)))
    lab.cut("alpha")
    assert {end.outcome for end in run.ended().values()} == {"failed"}
    left = left_of(run)
    assert [made.name for made in left] == ["partial"]
    lab.restore("alpha")
    lab.rate("alpha", None)
    run = brought(file, id="t2", resume=left)
    assert {end.outcome for end in run.ends.values()} == {"done"}, run.ends
    assert run.measures("sink")["resumed"].value > 0
    assert run.measures("sink")["digest"].value == sha256


def test_a_directory_arrives_and_a_changed_file_is_named(brought, file, tmp_path):
    model = file.parent
    (model / "deep").mkdir()
    (model / "deep" / "empty").touch()
    run = brought(model)
    assert {end.outcome for end in run.ends.values()} == {"done"}, run.ends
    assert run.measures("sink")["files"].value == 2
    before = tmp_path / "before"
    shutil.copytree(model, before)
    (model / "deep" / "empty").write_text("no more")
    run = brought(model, id="t2", digest_of=before)
    for end in run.ends.values():
        assert "the source's file is no longer the artefact" in end.reason
    assert run.measures("sink")["match"].value is False


def test_what_lies_wrong_in_a_whole_part_is_named_and_comes_again(brought, file):
    """rsync takes a file of the right size for done; the digest does not."""
    run = brought(file)
    left = [made for made in left_of(run) if made.name == "partial"]
    part = (run.roots["sink"] / left[0].path).with_name(f".{file.name}.part")
    wrong = bytearray(file.read_bytes())
    wrong[BLOCK + 3] ^= 1
    part.write_bytes(wrong)
    run = brought(file, id="t2", resume=left)
    for end in run.ends.values():
        assert f"changed on their way: {file.name}, between bytes {BLOCK} and {SIZE}" in end.reason
    run = brought(file, id="t3", resume=left)
    assert {end.outcome for end in run.ends.values()} == {"done"}, run.ends


def test_without_an_identity_or_with_a_wrong_host_key_nothing_is_sent(brought, file, lab, tmp_path):
    run = brought(file, identity="", patience=3.0)
    assert "nobody relays for a job that no console started: state `identity`" in run.ends["source"].reason
    run.id = "r1"
    for role in run.roles:
        run.start(role, make=1, via="relay")
    for end in run.ended().values():
        assert end.reason == "nobody relays for a job that no console started: let the bytes go raw, or by rsync (via)"
    there = lab.host["alpha"]
    for number, (known, said) in enumerate(
        (
            ("", "is unknown: compare it there, then add it to"),
            (f"{there.address} {(lab.host['beta'].directory / 'host_key.pub').read_text()}", "HAS CHANGED"),
        )
    ):
        hosts = tmp_path / "known"
        hosts.write_text(known)
        run = brought(file, id=f"k{number}", known_hosts=str(hosts))
        for end in run.ends.values():
            assert end.outcome == "failed"
            assert said in end.reason
        assert run.measures("sink").get("match") is None
    key = tmp_path / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    run = brought(file, id="k9", identity=str(key))
    for end in run.ends.values():
        assert "does not let" in end.reason


@pytest.mark.parametrize("role", ["sink", "source"])
def test_a_host_without_rsync_says_so(brought, file, tmp_path, role):
    run = brought.run
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("ssh", "ip"):
        (tools / name).symlink_to(shutil.which(name))
    sha256, size = digest(file)
    there = run.lab.host["alpha"]
    given = {
        "artefact": {"path": "data/pat terns.json", "sha256": sha256, "size": size, "job": "j0", "name": "data"},
        "via": "rsync",
        "identity": str(there.identity),
        "known_hosts": str(there.known_hosts),
        "address": there.address,
        "patience": 3.0,
    }
    ends = run.all(**given, per_role={role: {"environment": {"PATH": str(tools)}}})
    assert "rsync is not on this host: install rsync 3.1 or later there" in ends[role].reason
    assert {end.outcome for end in ends.values()} == {"failed"}
    if role == "sink":
        assert ends["source"].reason.startswith("the sink: rsync is not on this host")


def test_the_argument_list_checks_host_keys_and_goes_around_no_shell():
    asked = Parameters(
        role="source",
        via="rsync",
        identity="/k/a key",
        known_hosts="/k/known",
        user="ops",
        port=2222,
        endpoint_address="fd77::11",
        patience=5.0,
    )
    there = Ready(machine="m", rsync="/opt/rsync", place="/r/.it's here.part")
    found = syncing.arguments("/usr/bin/rsync", asked, there, syncing.Path("/s/model"), directory=True)
    assert found[-3:] == ["--", "/s/model/", "[fd77::11]:/r/.it's here.part/"]
    shell = found[found.index("--rsh") + 1]
    assert shell.startswith("ssh -F none -c aes128-gcm@openssh.com -i '/k/a key' -p 2222 ")
    assert "-o StrictHostKeyChecking=yes" in shell
    assert "-o UserKnownHostsFile=/k/known" in shell
    assert shell.endswith(" -l ops")
    assert {"--protect-args", "--append-verify", "--rsync-path=/opt/rsync", "--delete"} <= set(found)


def test_an_old_rsync_is_told_from_a_good_one(monkeypatch):
    monkeypatch.setattr(syncing.shutil, "which", lambda _: "/usr/bin/rsync")
    for said, reason in (
        ("rsync  version 2.6.9  protocol version 29", "rsync on this host is 2.6: install"),
        ("openrsync: protocol version 29\nrsync version 2.6.9 compatible", "rsync on this host is 2.6: install"),
        ("nonsense", "another program of that name"),
    ):
        monkeypatch.setattr(syncing, "output", lambda _, said=said: said)
        with pytest.raises(syncing.Refusal, match=reason):
            syncing.program()
    monkeypatch.setattr(syncing, "output", lambda _: "rsync  version 3.2.7  protocol version 31")
    assert syncing.program() == "/usr/bin/rsync"
