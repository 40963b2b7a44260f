"""``model.package``: the four specialists with their evidence as one signed directory."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output, Standing

SPECIALIST = "the model's directory: config.json, weights, tokenizer, labels.json"
RESULTS = "what evaluated it, as JSON"
KeyPath = Annotated[str, Meta(max_length=1_024)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The models, what was measured on them, and the keys to sign with."""

    silent_analyzer: Annotated[Artefact, Meta(description=f"tells attacks from benign events; {SPECIALIST}")]
    threat_profiler: Annotated[Artefact, Meta(description=f"names an attack's family; {SPECIALIST}")]
    evidence_collector: Annotated[Artefact, Meta(description=f"finds where in the event the proof is; {SPECIALIST}")]
    alert_generator: Annotated[Artefact, Meta(description=f"grades how severe it is; {SPECIALIST}")]
    standing: Annotated[Standing, Meta(description="what evidence of this site stands for")]
    silent_analyzer_results: Annotated[Artefact | None, Meta(description=RESULTS)] = None
    threat_profiler_results: Annotated[Artefact | None, Meta(description=RESULTS)] = None
    evidence_collector_results: Annotated[Artefact | None, Meta(description=RESULTS)] = None
    alert_generator_results: Annotated[Artefact | None, Meta(description=RESULTS)] = None
    expert_metadata: Annotated[Artefact | None, Meta(description="metadata.json of the expert they learnt from")] = None
    gauntlet: Annotated[Artefact | None, Meta(description="results of the gauntlet, as JSON")] = None
    feedback: Annotated[Artefact | None, Meta(description="results of the self-attack check, as JSON")] = None
    key: Annotated[
        KeyPath,
        Meta(
            description="P-256 private key in PEM on the host, for OpenSSF model signing; empty: one is made in keys/",
            extra=AMOUNT,
        ),
    ] = ""
    ssh_key: Annotated[
        KeyPath,
        Meta(
            description="OpenSSH private key on the host, for the manifest; empty: one is made in keys/", extra=AMOUNT
        ),
    ] = ""


def run(context: Context, parameters: Parameters) -> None:
    """Makes the package, signs it, and has it verified by another process."""
    from operations.package import assembling

    assembling.package(context, parameters)


OPERATION = Operation(
    name="model.package",
    about="Put models, metadata and evaluation into one package, sign it, and verify it",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("digest", Kind.DIGEST, "SHA-256 of the package's manifest: the package's digest"),
        Measure("verified", Kind.FLAG, "another process found every byte and both signatures as they should be"),
        Measure("files", Kind.COUNT, "files in the package"),
        Measure("size", Kind.NUMBER, "bytes of all its files", "MB"),
        Measure("missing", Kind.TEXT, "evidence that was not given, so that its figures read 'not measured'"),
        Measure("key", Kind.TEXT, "for each key, whether it was given or made here"),
        Measure("fingerprint", Kind.DIGEST, "SHA-256 of the OpenSSF signature's public key, in DER"),
        Measure("ssh_fingerprint", Kind.TEXT, "fingerprint of the key that signed the manifest"),
        Measure("rehearsal", Kind.FLAG, "the package says that its evidence is a rehearsal's"),
        Measure("standing", Kind.TEXT, "what a GO on this package reads"),
    ),
    outputs=(
        Output("package", "models, metadata, evaluation, cards, licences, SBOM, manifest, signatures", directory=True),
        Output("keys", "the public keys, and allowed_signers", directory=True),
    ),
)
