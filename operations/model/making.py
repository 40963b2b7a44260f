"""The base model: a small random one with a tokenizer of its own, or an existing directory."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlx.core as mx
from mlx.utils import tree_flatten

from operations.contract import Context, Refusal
from operations.model import models, prompts, rows

if TYPE_CHECKING:
    from operations.model.base import Parameters

PAD, END, ANSWER = "<|pad|>", "<|end|>", "<|answer|>"
TEMPLATE = (
    "{% for message in messages %}{{ message['content'] }}"
    f"{{{{ '{ANSWER}' if message['role'] == 'user' else '{END}' }}}}{{% endfor %}}"
)
TERMS = """
access account adversary alert amplification anomaly attack authentication backdoor beacon benign bot brute buffer
bypass certificate clean collection command control cookie credential critical cross crypto csrf data defacement
default denial deserialization directory disclosure discovery dns download email encryption endpoint enumeration
escalation evasion event execution exfiltration exploit exposure extraction file fixation flooding force forgery
fraud high hijacking host http impact inclusion information injection insider integer intrusion kernel lateral ldap
leak login low malicious malware man memory middle mining misuse movement network none normal object overflow
password path persistence phishing poisoning policy privilege process protocol proxy query ransomware reconnaissance
redirect remote replay request root rootkit scan script server service session shell side site smuggling spam
spoofing spyware sql ssrf supply suspicious takeover tampering template token traffic transfer traversal trojan
tunnel upload user violation virus web worm xml xpath xss xxe
"""
"""What analysts write, whatever the store: each becomes a token, so that an answer is a few tokens long."""
TERM_WEIGHT = 1_000
"""The terms count as if they had been read so often."""
TEXTS = 10_000
LONGEST = 2_048
"""Tokens of an input that a made model can take at most."""


def base(context: Context, parameters: Parameters) -> None:
    """Makes or takes the model, loads it once, reports it."""
    source = context.input(parameters.source) if parameters.source else None
    if parameters.path:
        path = _found(context, parameters.path)
        context.measure("origin", f"found: {parameters.path}")
    else:
        path = context.output("base")
        make(path, source, parameters)
        context.measure("origin", f"made here, seed {parameters.seed}")
    loaded = models.load(path)
    total, rest = models.count(loaded.model)
    artefact = context.artefact("model", path)
    stored = loaded.config.get("quantization") or loaded.config.get("torch_dtype") or "float32"
    context.measure("parameters", total)
    context.measure("non_embedding", rest)
    context.measure("vocabulary", int(loaded.config["vocab_size"]))
    context.measure("layers", int(loaded.config["num_hidden_layers"]))
    context.measure("architecture", f"{loaded.config.get('model_type')}, {stored}")
    context.measure("size", artefact.size / 1e6)
    if source is None:
        context.measure("longest", None, reason="no source to measure inputs of")
    else:
        form = prompts.format_for(loaded.tokenizer, LONGEST)
        context.measure("longest", max((len(form.prompt(text)[0]) for text in rows.texts(source, TEXTS)), default=0))
    context.log(f"base model: {total:,} weights, {rest:,} without embeddings")


def make(path: Path, source: Path | None, parameters: Parameters) -> None:
    """Writes a random Llama with its tokenizer. Raises Refusal if the shape can't be built."""
    tokenizer = _tokenizer(source, parameters.vocabulary)
    config = llama(
        width=parameters.width,
        hidden=0,
        layers=parameters.layers,
        heads=parameters.heads,
        vocabulary=len(tokenizer),
        end=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
    )
    model = random_weights(config, parameters.seed)
    with models.whole_directory(words := path.with_name(f"{path.name}-tokenizer")) as new:
        tokenizer.save_pretrained(new)
    try:
        made = models.Loaded(model, tokenizer, config, words, {}, 0)
        models.save(path, made, dict(tree_flatten(model.parameters())), {}, 0)
    finally:
        shutil.rmtree(words)


def llama(
    *, width: int, hidden: int, layers: int, heads: int, vocabulary: int, end: int | None, pad: int | None
) -> dict[str, Any]:
    """A Llama's config.json; ``hidden`` is the gated layer's width, 0 for two and a half times ``width``.

    Raises Refusal if the shape can't be built.
    """
    if width % heads or (width // heads) % 2:
        raise Refusal(f"width {width} over {heads} heads leaves no even number of dimensions a head")
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": width,
        # Two and a half times the width, in steps of 32: the gated layer's usual share.
        "intermediate_size": hidden or max(32, round(2.5 * width / 32) * 32),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "rms_norm_eps": 1e-5,
        "vocab_size": vocabulary,
        "max_position_embeddings": LONGEST,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": end,
        "pad_token_id": pad,
        "torch_dtype": "float32",
    }


def random_weights(config: dict[str, Any], seed: int) -> Any:
    """A Llama of that shape; the same seed makes the same weights."""
    from mlx_lm.models import llama as architecture

    mx.random.seed(seed)
    model = architecture.Model(architecture.ModelArgs.from_dict(config))
    mx.eval(model.parameters())
    return model


def _tokenizer(source: Path | None, vocabulary: int) -> Any:
    """Byte-level BPE learnt from the payloads, digits one by one; without any, bytes alone."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers import models as kinds
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(kinds.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, END, ANSWER],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = rows.texts(source, TEXTS) if source else iter(())
    terms = itertools.repeat("_".join(TERMS.split()), TERM_WEIGHT)
    tokenizer.train_from_iterator(itertools.chain(terms, texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[ANSWER],
        model_max_length=LONGEST,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )


def _found(context: Context, named: str) -> Path:
    """The existing model's directory below the root; one from elsewhere is copied in, links followed."""
    given = Path(named)
    try:
        path = context.inside(named) if not given.is_absolute() else given.resolve()
        if not path.is_dir():
            raise Refusal(f"{named} is no directory on this host")
        if path.is_relative_to(context.root.resolve()) and not any(p.is_symlink() for p in path.rglob("*")):
            return path
        target = context.output(path.name)
        context.log(f"copying {named} below the root")
        with models.whole_directory(target) as new:
            shutil.copytree(path, new, dirs_exist_ok=True)
    except OSError as error:
        raise Refusal(f"{named} can't be read: {error}") from None
    return target
