"""A package checked on its own: every change by name, and other tools that see it too."""

import base64
import hashlib
import json
import os
import shutil
import subprocess

import pytest

from operations.contract import Refusal
from operations.package import verifying

WEIGHTS = "models/silent_analyzer/model.safetensors"


def verdict(package, *, key="", signers="", allow_rehearsal=True):
    key = package.key if key == "" else key
    signers = package.signers if signers == "" else signers
    return verifying.verify(package.path, key=key, signers=signers, allow_rehearsal=allow_rehearsal)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_whole_one_holds(package, made):
    found = verdict(package)
    assert package.library()
    assert found.faults == ()
    assert found.digest == made.measures["digest"]
    assert (found.files, len(found.signatures)) == (made.measures["files"], 2)
    assert made.measures["ssh_fingerprint"] in found.signatures[0]
    assert made.measures["fingerprint"] in found.signatures[1]


def test_it_holds_under_another_name_and_with_one_key_alone(package):
    package.path = package.path.rename(package.path.with_name("carried"))
    for key, signers in (("", None), (None, "")):
        found = verdict(package, key=key, signers=signers)
        assert found.faults == ()
        assert len(found.signatures) == len(found.unchecked) == 1
    one = package.keys / "id.pub"
    one.write_text(" ".join(package.signers.read_text().split()[2:]) + " somebody\n")
    assert verdict(package, signers=one).faults == ()


def relink(path):
    """The same bytes, from outside."""
    target = path.parent.parent.parent.parent / "outside"
    path.rename(target)
    path.symlink_to(target)


def stand(path):
    """A rehearsal that says it is none."""
    (path / "standing.json").write_text('{"rehearsal": false}')


def rewrite(path):
    """A changed file, and the manifest made to fit."""
    flip(path / WEIGHTS)
    manifest = path / "MANIFEST.sha256"
    lines = [line for line in manifest.read_text().splitlines(True) if not line.endswith(f"  {WEIGHTS}\n")]
    said = hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()
    manifest.write_text("".join([*lines, f"{said}  {WEIGHTS}\n"]))


CHANGES = {
    "a byte": (lambda p: flip(p / WEIGHTS), f"{WEIGHTS} was changed", True),
    "a byte of a card": (lambda p: flip(p / "cards" / "alert_generator.md"), "cards/alert_generator.md was", True),
    "added": (lambda p: (p / "cards" / "new.md").write_text("x"), "cards/new.md was added", False),
    "hidden": (lambda p: (p / ".gitignore").write_text("x"), ".gitignore was added", False),
    "removed": (lambda p: (p / "evaluation" / "gauntlet.json").unlink(), "gauntlet.json is missing", True),
    "a link": (lambda p: relink(p / WEIGHTS), f"{WEIGHTS} is a link", False),
    "a link to a directory": (lambda p: (p / "models" / "more").symlink_to("/"), "models/more is a link", False),
    "the standing": (stand, "standing.json was changed", True),
    "the manifest": (rewrite, "MANIFEST.sha256.sig does not hold: the manifest is not the one", True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_named_and_other_tools_reject_it(package, change):
    spoil, says, sums = CHANGES[change]
    spoil(package.path)
    assert any(says in fault for fault in verdict(package).faults), verdict(package).faults
    assert not package.library()
    assert package.ssh_and_sums() is not sums
    if change in ("a byte", "added", "removed", "a link"):
        assert not package.model_signing()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: (p / "models" / "empty").mkdir(), "models/empty is a directory without a file"),
        (lambda p: os.mkfifo(p / "pipe"), "pipe is neither a file nor a directory"),
        (lambda p: (p / "a\nb").write_text("x"), r"'a\nb' has a name that no package has"),
        (lambda p: (p / "model.sig").unlink(), "model.sig is missing"),
        (lambda p: (p / "MANIFEST.sha256.sig").unlink(), "MANIFEST.sha256.sig is missing"),
        (lambda p: (p / "model.sig").write_text("{}"), "model.sig does not hold: it is no bundle"),
        (lambda p: (p / "model.sig").write_bytes(b"\xff" * 99), "model.sig does not hold: it is no bundle"),
        (lambda p: (p / "MANIFEST.sha256.sig").write_text("x"), "sig does not hold: it is no signature of OpenSSH"),
    ],
)
def test_what_does_not_belong_or_is_no_signature_is_named(package, spoil, says):
    spoil(package.path)
    assert any(says in fault for fault in verdict(package).faults), verdict(package).faults


def rebuilt(package, change):
    """``model.sig`` with its statement changed, and signed by nobody for that."""
    path = package.path / "model.sig"
    bundle = json.loads(path.read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    change(bundle, statement)
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    path.write_text(json.dumps(bundle))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda b, s: s["predicate"]["resources"].pop(), "was not made with the key in"),
        (lambda b, s: s["predicate"]["serialization"].update(ignore_paths=["models"]), "was not made with the key"),
        (lambda b, s: b["dsseEnvelope"]["signatures"].clear(), "or does not have one signature"),
        (lambda b, s: b.update(mediaType="text/plain"), "it is of another kind"),
        (lambda b, s: b["dsseEnvelope"].update(payloadType="text/plain"), "it is of another kind"),
        (lambda b, s: b["verificationMaterial"]["publicKey"].update(hint="0" * 64), "another key made it"),
    ],
)
def test_a_bundle_that_was_changed_does_not_hold(package, change, says):
    rebuilt(package, change)
    (fault,) = verdict(package).faults
    assert fault.startswith("model.sig does not hold: ")
    assert says in fault


def test_the_signature_of_another_package_by_the_same_key_does_not_hold(package, made, host):
    root = made.made["keys"].parents[3]
    shutil.copytree(root / "keys", host.root / "keys")
    other = host.run(**host.models())
    assert other.measures["fingerprint"] == made.measures["fingerprint"]
    for name in ("model.sig", "MANIFEST.sha256.sig"):
        shutil.copyfile(other.made["package"] / name, package.path / name)
    assert verdict(package).faults == (
        "MANIFEST.sha256.sig does not hold: the manifest is not the one that was signed",
        "model.sig does not hold: what it signs is not what is here",
    )


def another(package, tmp_path):
    """Keys of somebody else."""
    keys = tmp_path / "theirs"
    keys.mkdir()
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", keys / "k.pem"]
    subprocess.run(command, check=True, capture_output=True)
    public = ["openssl", "pkey", "-in", keys / "k.pem", "-pubout", "-out", keys / "k.pub.pem"]
    subprocess.run(public, check=True, capture_output=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / "ssh"], check=True)
    return keys


def test_another_key_is_told_for_each_signature(package, tmp_path):
    keys = another(package, tmp_path)
    found = verdict(package, key=keys / "k.pub.pem", signers=keys / "ssh.pub")
    assert found.faults == (
        f"MANIFEST.sha256.sig does not hold: another key made it than any in {keys / 'ssh.pub'}",
        f"model.sig does not hold: another key made it than the one in {keys / 'k.pub.pem'}",
    )
    assert found.signatures == ()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('valid-before="20200101"', "has expired: it was valid before 2020-01-01"),
        ('valid-after="20990101"', "is not valid yet: it is after 2099-01-01"),
        ('namespaces="file"', "may not sign packages"),
    ],
)
def test_a_key_that_may_not_sign_now_or_not_this_is_told(package, options, says):
    line = package.signers.read_text().split()
    package.signers.write_text(" ".join([line[0], options, *line[2:]]) + "\n")
    (fault,) = verdict(package).faults
    assert says in fault
    assert "\n" not in fault


def test_a_rehearsals_package_needs_the_word(package):
    (fault,) = verdict(package, allow_rehearsal=False).faults
    assert "GO (rehearsal); not proven here: G1n.throughput: all hosts are this machine" in fault
    assert "--allow-rehearsal" in fault


def test_a_package_that_does_not_say_what_it_stands_for_is_none(package, tmp_path):
    manifest = package.path / "MANIFEST.sha256"
    lines = manifest.read_text().splitlines(True)
    manifest.write_text("".join(line for line in lines if "standing.json" not in line))
    (package.path / "standing.json").unlink()
    assert any("does not say what its models were proven on" in fault for fault in verdict(package).faults)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("private", "is a private key: give its public half"),
        ("rubbish", "is no public key in PEM"),
        ("absent", "can't be read: No such file"),
        ("ed25519", "is a key of the kind Ed25519: a P-256 public key in PEM is needed"),
    ],
)
def test_a_key_that_is_none_is_one_line(package, tmp_path, key, says):
    path = tmp_path / "k"
    kinds = {"private": ["ecparam", "-name", "prime256v1", "-genkey", "-noout"], "ed25519": ["genpkey", "-algorithm"]}
    if key == "rubbish":
        path.write_text("rubbish")
    elif key != "absent":
        command = ["openssl", *kinds[key], *(["ed25519"] if key == "ed25519" else []), "-out", path]
        subprocess.run(command, check=True, capture_output=True)
    if key == "ed25519":
        shutil.move(path, tmp_path / "private")
        command = ["openssl", "pkey", "-in", tmp_path / "private", "-pubout", "-out", path]
        subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(Refusal, match=says) as refused:
        verdict(package, key=path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("text", "says"), [("", "names no key"), ("-----BEGIN OPENSSH PRIVATE KEY-----", "private")])
def test_signers_that_are_none_are_one_line(package, tmp_path, text, says):
    (tmp_path / "signers").write_text(text)
    with pytest.raises(Refusal, match=says):
        verdict(package, signers=tmp_path / "signers")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0" * 64 + "  ../outside", "line 1: expected a SHA-256 and the name of a file inside"),
        ("0" * 64 + "  /etc/passwd", "line 1: expected"),
        ("0" * 63 + "  short", "line 1: expected"),
        ("0" * 64 + "  twice\n" + "0" * 64 + "  twice", "line 2: twice can't stand there twice"),
        ("0" * 64 + "  model.sig", "model.sig can't stand there"),
        ("# nothing", "names no file"),
    ],
)
def test_a_manifest_that_leads_elsewhere_is_none(package, line, says):
    (package.path / "MANIFEST.sha256").write_text(line + "\n")
    with pytest.raises(Refusal, match=says):
        verdict(package)


def test_without_a_key_or_a_package_nothing_is_said(package, tmp_path):
    with pytest.raises(Refusal, match="only vouches for itself"):
        verdict(package, key=None, signers=None)
    with pytest.raises(Refusal, match="no package"):
        verifying.verify(tmp_path, key=package.key, signers=None, allow_rehearsal=True)
    link = tmp_path / "link"
    link.symlink_to(package.path)
    with pytest.raises(Refusal, match="a link, where a package is"):
        verifying.verify(link, key=package.key, signers=None, allow_rehearsal=True)
