"""Two ranks on the loopback, by MLX's own launcher: as one process on the whole batch."""

import pytest

from operations.contract import Refusal
from operations.model.learning import together

SMALL = {"steps": 8, "save_every": 8, "eval_every": 8, "resume_every": 4}


def test_two_ranks_learn_as_one_process_does(data, tokens, host):
    alone = data.train(tokens, **SMALL)
    both = data.train(tokens, ranks=2, **SMALL)
    assert both.value("ranks") == 2
    assert list(both.curve()) == list(alone.curve()) == list(range(1, 9))
    assert list(both.curve().values()) == pytest.approx(list(alone.curve().values()), abs=1e-5)
    assert both.value("val_loss") == pytest.approx(alone.value("val_loss"), abs=1e-4)
    assert both.value("runs") is True
    assert [host.path(a).is_dir() for a in host.made(both, "checkpoint").values()] == [True]


def test_ranks_stop_together_and_another_number_of_them_can_not_go_on(data, tokens, host):
    first = data.train(tokens, ranks=2, stop_after=1, **{**SMALL, "steps": 400})
    assert first.finished.outcome == "stopped"
    with pytest.raises(Refusal, match="ranks was 2, is 1"):
        data.train(tokens, resume=host.made(first, "state").values(), **{**SMALL, "steps": 400})
    assert 1 <= max(first.curve()) < 400


def test_why_ranks_fail_is_told_in_one_line(data, tokens):
    with pytest.raises(Refusal, match="15 rows a step can't be shared evenly by 1 batches on 2 ranks"):
        data.train(tokens, ranks=2, batch=15, **SMALL)


def test_ranks_that_would_go_on_from_different_steps_do_not(monkeypatch):
    monkeypatch.setattr(together, "everyones", lambda group, text: [text, "8"])
    together.same_step(None, 8)
    with pytest.raises(Refusal, match="the ranks would go on from different steps: 4, 8"):
        together.same_step(None, 4)
