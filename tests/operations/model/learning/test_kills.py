"""A training killed again and again, as real jobs, ends with the weights of one left alone."""

import os
import random
import signal

from operations import job

GIVEN = {
    "method": "full",
    "batch": 8,
    "learning_rate": 0.01,
    "length": 48,
    "steps": 120,
    "save_every": 20,
    "keep": 2,
    "resume_every": 7,
    "eval_every": 20,
    "validation_samples": 20,
}
KILLS = int(os.environ.get("GLADIATOR_KILLS", "2"))
"""20 were made by hand; each costs a process's start."""


def test_killed_at_random_steps_it_ends_with_the_same_weights(data, tokens, host):
    given = {"model": data.base, "tokens": tokens, **GIVEN}
    directory, alone = host.start("model.train", **given)
    assert alone.wait(120) == 0
    expected = host.told(directory)
    source = random.Random(4)
    told, left, done = [], [], 0
    for number in range(KILLS):
        directory, killed = host.start("model.train", resume=left, **given)
        until = done + source.randint(1, (GIVEN["steps"] - done) // (KILLS - number + 1) + 7)

        def there(directory=directory, until=until):
            path = directory / job.EVENTS
            return path.exists() and max(host.told(directory).curve(), default=0) >= until

        host.wait(there, 120)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        host.wait(lambda directory=directory: job.state(directory) == "dead")
        told.append(host.told(directory))
        assert told[-1].finished is None
        names = ("checkpoint", "best", "state")
        left += [a for name in names for a in host.made(told[-1], name, directory.name).values()]
        done = max((step for t in told for step in host.made(t, "state")), default=0)
    directory, last = host.start("model.train", resume=left, **given)
    assert last.wait(120) == 0
    told.append(host.told(directory))
    curve = {step: loss for attempt in told for step, loss in attempt.curve().items()}
    assert curve == expected.curve()
    for name in ("weights", "best_step", "best_accuracy", "final_loss", "val_by_task", "runs"):
        assert told[-1].value(name) == expected.value(name), name
    kept = sorted(path.name for path in (host.root / "jobs").glob("job-*/artefacts/checkpoint-*"))
    # The last two of the run left alone and of the killed one, whichever attempts wrote them.
    assert kept == ["checkpoint-100", "checkpoint-100", "checkpoint-120", "checkpoint-120"]
