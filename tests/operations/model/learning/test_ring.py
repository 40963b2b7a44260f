"""Two ranks on two hosts of the lab: as one process on the whole batch, and what ends both."""

import subprocess
import sys

import mlx.core as mx
import psutil
import pytest

from operations import job
from operations.contract import Refusal
from operations.files import digest
from operations.model.learning import ring as launching

SMALL = {"steps": 8, "save_every": 8, "eval_every": 8, "resume_every": 4}


class Ring:
    """Trainings that begin on alpha, with beta in the ring."""

    def __init__(self, lab, data, tokens):
        self.lab, self.data, self.tokens = lab, data, tokens
        self.alpha, self.beta = lab.host["alpha"], lab.host["beta"]
        self.directory = self.process = None

    def given(self, **changed):
        return {
            "ring": self.beta.address,
            "wired": [self.alpha.address],
            "identity": str(self.beta.identity),
            "known_hosts": str(self.beta.known_hosts),
            "root": str(self.beta.root),
            "patience": 30.0,
            **changed,
        }

    def start(self, resume=(), **changed):
        given = self.data.given(self.tokens, **self.given(**changed))
        self.directory = job.claim(self.data.host.root, self.data.host.file("model.train", given, tuple(resume)))
        command = (sys.executable, "-P", "-m", "operations", "run", str(self.directory))
        self.process = subprocess.Popen(self.lab.arguments("alpha", *command), stdin=subprocess.DEVNULL)

    def told(self):
        return self.data.host.told(self.directory)

    def ended(self):
        self.process.wait(90)
        return self.told()

    def run(self, **given):
        self.start(**given)
        return self.ended()

    def until_step(self, step):
        self.data.host.wait(lambda: (self.directory / job.EVENTS).exists() and step in self.told().curve())

    def on_beta(self, word):
        """Processes on beta with that word in their command line."""
        found = self.lab.run("beta", "ip", "netns", "pids", self.beta.namespace).stdout.split()
        alive = []
        for pid in map(int, found):
            try:
                alive += [p for p in [psutil.Process(pid)] if any(word in part for part in p.cmdline())]
            except psutil.NoSuchProcess:
                continue
        return alive

    def nobody_on_beta(self):
        """Fails unless all that ran there has ended, or does so at once."""
        self.data.host.wait(lambda: not self.on_beta("operations"), 5.0)


@pytest.fixture
def ring(lab, data, tokens):
    found = Ring(lab, data, tokens)
    yield found
    if found.process is not None:
        found.process.kill()
        found.process.wait()


def test_two_hosts_learn_as_one_process_does_and_only_the_first_writes(ring, data, tokens, host):
    alone = data.train(tokens, **SMALL)
    both = ring.run(**SMALL)
    assert both.finished.outcome == "done", both.finished.reason
    assert both.value("ranks") == 2
    assert list(both.curve()) == list(alone.curve()) == list(range(1, 9))
    assert list(both.curve().values()) == pytest.approx(list(alone.curve().values()), abs=1e-5)
    one, other = (
        mx.load(str(host.path(host.made(told, "checkpoint")[8]) / "model.safetensors")) for told in (alone, both)
    )
    assert one.keys() == other.keys()
    assert all(mx.allclose(one[name], other[name], rtol=0, atol=1e-4).item() for name in one)
    staged = ring.beta.root / "ring"
    assert not [path for name in ("checkpoint*", "state*", "best*") for path in staged.rglob(name)]
    ring.nobody_on_beta()


def test_a_killed_rank_ends_all_and_the_same_ring_goes_on_exactly_until_it_is_asked_to_end(ring, data, tokens, host):
    long = {**SMALL, "steps": 100_000, "eval_every": 100_000, "save_every": 100_000, "resume_every": 50}
    ring.start(**long)
    ring.until_step(60)
    (rank,) = ring.on_beta("ranked")
    rank.kill()
    first = ring.ended()
    assert first.finished.outcome == "failed"
    assert first.finished.reason == f"{ring.beta.address}: the rank ended without a word, exit status -9"
    ring.nobody_on_beta()
    # What beta has of an input is damaged by now: it comes once more, and nothing else that is there does.
    staged = ring.beta.root / "ring"
    damaged = max((staged / tokens.path).rglob("*.*"), key=lambda path: path.stat().st_size)
    damaged.write_bytes(b"\xff" * damaged.stat().st_size)
    made = host.made(first, "state", ring.directory.name)
    step, state = min((step, state) for step, state in made.items() if host.path(state).is_dir())
    ring.start(resume=[state], **long)
    ring.until_step(step + 5)
    ring.process.terminate()
    second = ring.ended()
    assert second.finished.outcome == "stopped"
    ring.nobody_on_beta()
    assert [line.split(" ")[0] for line in second.logs if "goes to" in line] == [tokens.path, state.path]
    assert all(digest(staged / a.path)[0] == a.sha256 for a in (data.base, tokens, state))
    again = {step: loss for step, loss in second.curve().items() if step in first.curve()}
    assert len(again) >= 5
    assert again == {step: first.curve()[step] for step in again}
    assert max(host.made(second, "state")) == max(second.curve())
    with pytest.raises(Refusal, match=r"ranks was 2, is 1; ring was 10\S+ CPU.*; 10\S+ CPU.*, is unset"):
        data.train(tokens, resume=host.made(second, "state").values(), **long)


def test_without_a_known_host_or_the_same_mlx_nothing_begins(ring, data, tokens, tmp_path, monkeypatch):
    known = tmp_path / "known"
    known.write_text(f"{ring.beta.address} {(ring.alpha.directory / 'host_key.pub').read_text()}")
    key = tmp_path / "another"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    # the ring's first host is the lab's console here, in this process
    given = ring.given(wired=[ring.lab.console], **SMALL)
    for changed, reason in (
        ({"known_hosts": str(known)}, "THE HOST KEY OF .* HAS CHANGED"),
        ({"identity": str(key)}, "does not let .*another in: add its .pub"),
        ({"identity": ""}, "state `identity` for this task"),
        ({"port": 23}, "Connection refused"),
        ({"ranks": 2}, "state `ranks` or `ring`, not both"),
        ({"ring": f"{ring.beta.address}, {ring.lab.console}"}, "a ring takes each host once"),
        ({"ring": "ops:22"}, "'ops:22' is no address of a ring"),
        ({"wired": [""]}, "state its `wired`"),
        ({"root": str(tmp_path / "nowhere")}, "is no directory there"),
    ):
        with pytest.raises(Refusal, match=reason):
            data.train(tokens, **{**given, **changed})
    versions = job.versions()
    monkeypatch.setattr(launching.job, "versions", lambda: {**versions, "mlx": "0.1"})
    with pytest.raises(Refusal, match=r"has mlx .*, this host 0.1: install the same on both"):
        data.train(tokens, **given)
    assert not (ring.beta.root / "ring").exists()
