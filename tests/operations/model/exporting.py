"""An exported data set of rows that the tuned model knows, and the files that a training of it would have left."""

import json

from operations import events, job
from tests.operations.model.conftest import LABELS, make_rows

__all__ = ["LABELS", "exported", "make_rows", "patterns", "trained"]


def patterns(rows):
    return [{"id": r["id"], "payload": r["prompt"], "attack_type": r["completion"], "anomaly": "benign"} for r in rows]


def exported(host, train, validation, test, name="dataset"):
    directory = host.root / name
    directory.mkdir()
    for file, rows in (("training_8m", train), ("validation_1m", validation), ("test_1m", test)):
        (directory / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in patterns(rows)))
    return host.artefact(directory)


def trained(host, dataset, made, losses, total=None, outcome="done", **more):
    """The id of a job that took a step for each loss, a day each, and made ``made``: (output, artefact, step)."""
    described = job.JobFile(
        id=f"trained-{len(list((host.root / 'jobs').glob('*')))}", task="W2.1", operation="model.train",
        parameters={"model": {"sha256": "b" * 64}, "dataset": {"sha256": dataset.sha256}},
    )  # fmt: skip
    directory = job.claim(host.root, described)
    start = 1_761_782_400.0  # 2025-10-30
    told = [events.Metric(t=start + 86_400 * i, name="loss", step=i + 1, value=loss) for i, loss in enumerate(losses)]
    told += [events.Progress(t=start, done=len(losses), total=total or len(losses), unit="steps")]
    for output, artefact, step in made:
        told.append(events.Made(t=start, name=output, path=artefact.path, size=artefact.size, sha256=artefact.sha256,
                                retention="rotates", step=step))  # fmt: skip
    for step, value in more.get("val_accuracy", {}).items():
        told.append(events.Metric(t=start, name="val_accuracy", step=step, value=value))
        told.append(events.Measured(t=start, name="val_accuracy", value=value, n=100, count=round(100 * value)))
    told.append(events.Finished(t=start + 86_400 * len(losses), outcome=outcome))
    (directory / job.EVENTS).write_bytes(b"".join(map(events.encode, told)))
    return described.id
