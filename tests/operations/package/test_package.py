"""The package as others see it: whole, told by its evidence, signed so that their own tools say so."""

import hashlib
import json
import subprocess

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from operations.contract import Refusal, Standing


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=60, **options).stdout


def test_other_tools_accept_it(made, package):
    assert made.measures["verified"] is True
    assert package.model_signing()
    assert package.ssh_and_sums()


def test_its_digest_is_that_of_the_manifest_as_sha256sum_says_it(made, package):
    said = run("sha256sum", package.path / "MANIFEST.sha256").decode().split()[0]
    assert made.measures["digest"] == said
    lines = (package.path / "MANIFEST.sha256").read_text().splitlines()
    assert lines[0] == (
        "# A GO on this package reads: GO (rehearsal); not proven here: G1n.throughput: all hosts are this machine"
    )
    names = [line.split("  ", 1)[1] for line in lines[1:]]
    assert names == sorted(names, key=str.encode)
    there = {p.relative_to(package.path).as_posix() for p in package.path.rglob("*") if p.is_file()}
    assert there - set(names) == {"MANIFEST.sha256", "MANIFEST.sha256.sig", "model.sig"}
    assert made.measures["files"] == len(there)
    assert made.measures["size"] * 1e6 == pytest.approx(sum((package.path / name).stat().st_size for name in there))


def test_fingerprints_are_those_that_other_tools_show(made, package):
    shown = run("ssh-keygen", "-l", "-f", "-", input=package.signers.read_text().split('" ')[1].encode())
    assert shown.decode().split()[1] == made.measures["ssh_fingerprint"]
    der = run("openssl", "pkey", "-pubin", "-in", package.key, "-outform", "DER")
    assert hashlib.sha256(der).hexdigest() == made.measures["fingerprint"]


def test_equal_inputs_are_equal_bytes_whatever_the_host_the_job_and_the_keys(host, made, tmp_path):
    def inputs(one):
        return {**one.models(), "gauntlet": one.given("gauntlet.json", {"total": 10, "correct": 9})}

    other = type(host)(tmp_path / "elsewhere")
    other.root.mkdir()
    other.count = 7
    one, two = host.run(**inputs(host)), other.run(**inputs(other))
    assert one.measures["digest"] == two.measures["digest"] != made.measures["digest"]
    assert one.measures["fingerprint"] != two.measures["fingerprint"]
    manifests = [told.made["package"].joinpath("MANIFEST.sha256").read_bytes() for told in (one, two)]
    assert manifests[0] == manifests[1]


def test_every_figure_of_a_card_has_its_source_and_what_is_missing_is_not_measured(made, package):
    card = (package.path / "cards" / "silent_analyzer.md").read_text().replace("\\", "")
    results = package.path / "evaluation" / "silent_analyzer.json"
    source = f"evaluation/silent_analyzer.json, SHA-256 {hashlib.sha256(results.read_bytes()).hexdigest()}"
    assert f"| Accuracy | 96.0% [93.9%, 97.4%], 480 of 500 | {source} |" in card
    assert f"| Benign events called an attack | 2.0% [0.4%, 10.5%], 1 of 50 | {source} |" in card
    assert "| Attacks called benign | not measured | – |" in card
    assert f"| The teacher, on the same samples | 98.0% [96.4%, 98.9%], 490 of 500 | {source} |" in card
    assert "| learnt from | EXPERT 1.0 |" in card
    assert "Labels of its one task, anomaly" in card
    assert "| bits of a weight | 4 |" in card
    assert "**REHEARSAL**" in card
    assert "<script>" not in card
    without = (package.path / "cards" / "alert_generator.md").read_text().replace("\\", "")
    assert "| Accuracy | not measured | – |" in without
    assert made.measures["missing"] == "alert_generator_results"


def test_the_bill_of_materials_is_valid_and_its_digests_are_the_files(package):
    text = (package.path / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    models = [c for c in bom["components"] if c["type"] == "machine-learning-model"]
    assert [model["name"] for model in models] == [
        "silent_analyzer",
        "threat_profiler",
        "evidence_collector",
        "alert_generator",
    ]
    weights = {model["name"]: model["hashes"][0]["content"] for model in models}
    said = run("sha256sum", package.path / "models" / "alert_generator" / "model.safetensors").decode().split()[0]
    assert weights["alert_generator"] == said
    assert len(set(weights.values())) == 4
    for file in (file for model in models for file in model["components"]):
        said = run("sha256sum", package.path / file["name"]).decode().split()[0]
        assert file["hashes"] == [{"alg": "SHA-256", "content": said}]
    libraries = {c["name"]: c["version"] for c in bom["components"] if c["type"] == "library"}
    assert {"mlx", "mlx-lm", "transformers", "safetensors"} <= libraries.keys()


def test_what_a_site_proved_itself_is_no_rehearsal(host):
    told = host.run(**host.models(), standing=Standing(False))
    assert (told.measures["rehearsal"], told.measures["standing"]) == (False, "GO")
    manifest = told.made["package"] / "MANIFEST.sha256"
    assert manifest.read_text().startswith("# A GO on this package reads: GO\n")


def test_keys_made_here_stay_here_and_are_used_again(host):
    models = host.models()
    first, second = host.run(**models), host.run(**models)
    assert first.measures["key"] == "key made here, ssh_key made here"
    assert first.measures["fingerprint"] == second.measures["fingerprint"]
    kept = sorted((host.root / "keys").iterdir())
    assert [(path.name, path.stat().st_mode & 0o777) for path in kept] == [
        ("manifest-signing", 0o600),
        ("model-signing.pem", 0o600),
    ]
    secrets = [path.read_bytes().split(b"\n")[1] for path in kept]
    for path in (path for path in (host.root / "jobs").rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert b"PRIVATE KEY" not in data, path
        assert not any(secret in data for secret in secrets), path


def key(path, kind="P-256", mode=0o600):
    """A private key that a site may name, made by another tool."""
    if kind == "OpenSSH":
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
    elif kind == "locked OpenSSH":
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path)
    elif kind == "locked":
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{path}.open")
        run("openssl", "pkcs8", "-topk8", "-in", f"{path}.open", "-out", path, "-passout", "pass:x")
    elif kind == "ed25519":
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    elif kind == "rubbish":
        path.write_text("rubbish")
    else:
        curve = {"P-256": "prime256v1", "P-384": "secp384r1"}[kind]
        run("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", path)
    path.chmod(mode)
    return path


def test_keys_that_the_site_names_sign(host, tmp_path):
    named = {"key": str(key(tmp_path / "k.pem")), "ssh_key": str(key(tmp_path / "k", "OpenSSH"))}
    told = host.run(**host.models(), **named)
    assert told.measures["key"] == "key given, ssh_key given"
    assert told.measures["verified"] is True
    assert not (host.root / "keys").exists()
    der = run("openssl", "pkey", "-in", tmp_path / "k.pem", "-pubout", "-outform", "DER")
    assert told.measures["fingerprint"] == hashlib.sha256(der).hexdigest()
    allowed = (told.made["keys"] / "allowed_signers").read_text().split()
    assert allowed[-1] == (tmp_path / "k.pub").read_text().split()[1]


@pytest.mark.parametrize(
    ("which", "kind", "says"),
    [
        ("key", "ed25519", "is a key of the kind Ed25519: a P-256 private key in PEM is needed"),
        ("key", "P-384", "is an elliptic key on secp384r1: a P-256"),
        ("key", "locked", "locked by a passphrase"),
        ("key", "rubbish", "no private key in PEM"),
        ("key", None, "can't be read: No such file"),
        ("ssh_key", "locked OpenSSH", "incorrect passphrase"),
        ("ssh_key", "rubbish", "no OpenSSH private key to sign with"),
        ("ssh_key", None, "can't be read: No such file"),
    ],
)
def test_a_key_that_can_not_sign_is_one_line(host, tmp_path, which, kind, says):
    path = key(tmp_path / "k", kind) if kind else tmp_path / "nowhere"
    with pytest.raises(Refusal, match=says) as refused:
        host.run(**host.models(), **{which: str(path)})
    assert "\n" not in str(refused.value)
    assert not list((host.root / "jobs" / "job-1").rglob("MANIFEST.sha256"))


def test_a_key_that_others_can_read_is_refused(host, tmp_path):
    with pytest.raises(Refusal, match="can be read by others: chmod 600"):
        host.run(**host.models(), key=str(key(tmp_path / "k", mode=0o644)))


@pytest.mark.parametrize("lacking", ["config__json", "model__safetensors", "tokenizer__json", "labels__json"])
def test_a_model_that_is_not_whole_is_named_with_what_it_lacks(host, lacking):
    models = {**host.models(), "threat_profiler": host.model("broken", 9, "family", **{lacking: None})}
    with pytest.raises(Refusal, match=f"threat_profiler: broken is no whole model: it lacks {lacking[:4]}"):
        host.run(**models)


def test_two_models_with_the_same_weights_are_named(host):
    models = {**host.models(), "alert_generator": host.model("twin", 1)}
    with pytest.raises(Refusal, match="threat_profiler and alert_generator have the same weights"):
        host.run(**models)


def test_a_link_in_a_model_is_named(host):
    models = host.models()
    path = host.root / models["evidence_collector"].path / "tokenizer.json"
    target = path.rename(host.root / "elsewhere.json")
    path.symlink_to(target)
    with pytest.raises(Refusal, match=r"evidence_collector: tokenizer\.json is a link"):
        host.run(**models)


def test_a_model_that_answers_something_else_is_named(host):
    models = {**host.models(), "silent_analyzer": host.model("other", 9)}
    with pytest.raises(Refusal, match=r"silent_analyzer: labels\.json names no labels of anomaly"):
        host.run(**models)
    both = json.dumps({"tasks": {"anomaly": ["a"], "family": ["b"]}, "length": 1})
    models["silent_analyzer"] = host.model("both", 10, labels__json=both)
    with pytest.raises(Refusal, match=r"silent_analyzer: is to answer anomaly alone, its labels\.json names anomaly,"):
        host.run(**models)


@pytest.mark.parametrize("labels", ["[]", '{"tasks": {"severity": []}}', '{"tasks": {"severity": [1]}}', "rubbish"])
def test_labels_that_are_none_are_refused(host, labels):
    models = {**host.models(), "alert_generator": host.model("broken", 9, labels__json=labels)}
    with pytest.raises(Refusal, match=r"alert_generator: labels\.json"):
        host.run(**models)


def test_what_another_process_finds_wrong_is_told_and_not_verified(host, monkeypatch):
    monkeypatch.setattr("operations.package.openssf.sign", lambda directory, key: None)
    told = host.run(**host.models())
    assert told.measures["verified"] is False
    assert "model.sig is missing" in told.logs


def test_evidence_that_is_none_is_refused(host):
    with pytest.raises(Refusal, match="gauntlet is no JSON object"):
        host.run(**host.models(), gauntlet=host.given("gauntlet.json", [1]))


def test_a_model_that_changed_since_it_was_made_is_refused(host):
    models = host.models()
    (host.root / models["alert_generator"].path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(Refusal, match="is not what job given made"):
        host.run(**models)
