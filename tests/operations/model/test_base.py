"""The base model and its tokenizer."""

import json
import subprocess
import sys

import mlx_lm
import pytest

from operations import registry
from operations.contract import Refusal

TINY = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 640}


def test_same_seed_makes_the_same_directory(host, train):
    first, second, other = (
        host.made(host.run("model.base", source=train, seed=seed, **TINY), "model")[None] for seed in (3, 3, 4)
    )
    assert first.sha256 == second.sha256 != other.sha256


def test_default_is_small_and_counted(host, train):
    told = host.run("model.base", source=train)
    model, tokenizer = mlx_lm.load(str(host.path(host.made(told, "model")[None])))
    assert 200_000 < told.value("parameters") < 300_000
    embedding = model.model.embed_tokens.weight.size
    assert told.value("non_embedding") == told.value("parameters") - embedding
    assert told.value("vocabulary") == len(tokenizer.get_vocab())
    assert told.value("longest") <= 48


def test_tokenizer_keeps_every_byte_and_splits_digits(host, base):
    _, tokenizer = mlx_lm.load(str(host.path(base)))
    for text in ("0x7f%2e%2E/../etc", "été 漢字 \x00\x1f", "10 443", "a  b\tc\n"):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text
    assert len(tokenizer.encode("2025", add_special_tokens=False)) == 4


def test_no_label_is_learnt_from_the_source(host, train):
    rows = [json.loads(line) for line in host.path(train).read_text().splitlines()]
    renamed = host.rows("renamed.jsonl", [{**row, "completion": "zzqqzz"} for row in rows])
    first, second = (host.made(host.run("model.base", source=s, **TINY), "model")[None] for s in (train, renamed))
    assert first.sha256 == second.sha256


def test_store_directory_and_no_source_both_do(host):
    (host.root / "store").mkdir()
    (host.root / "store" / "batch_0000.json").write_text(json.dumps([{"payload": "north gate"}, {"id": 1}, 7]))
    (host.root / "store" / "batch_0001.json").write_bytes(b"\xff{")
    host.run("model.base", source=host.artefact(host.root / "store"), **TINY)
    told = host.run("model.base", **TINY)
    assert told.measures["longest"].value is None


def test_existing_model_is_taken_where_it_is_or_copied_in(host, base, tmp_path):
    told = host.run("model.base", path="base")
    assert host.made(told, "model")[None].sha256 == base.sha256
    assert host.made(told, "model")[None].path == "base"
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    for file in host.path(base).iterdir():
        (outside / file.name).symlink_to(file)
    told = host.run("model.base", path=str(outside))
    assert host.made(told, "model")[None].sha256 == base.sha256
    assert host.made(told, "model")[None].path.startswith("jobs/")


@pytest.mark.parametrize("path", ["nothing", "/nothing/there", "../root"])
def test_no_model_is_refused(host, path):
    with pytest.raises(Refusal):
        host.run("model.base", path=path)


def test_impossible_shape_is_refused(host):
    with pytest.raises(Refusal, match="width 30 over 4 heads"):
        host.run("model.base", width=30, heads=4)


def test_declarations_import_nothing_heavy():
    names = [name for name in registry.NAMES if name.startswith("model.")]
    code = (
        "import sys\nfrom operations import registry\n"
        f"for name in {names!r}: registry.find(name)\n"
        "print(sorted({'mlx', 'mlx_lm', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
