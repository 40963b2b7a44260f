"""Scores against plain arithmetic and mlx_lm's own generation."""

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.contract import Refusal
from operations.model import models, prompts, scoring

words = st.lists(st.integers(0, 3), min_size=0, max_size=4).map(lambda ids: (*ids, 9))


@given(st.lists(words, min_size=2, max_size=12, unique=True))
def test_each_label_is_one_path_through_the_branches(answers):
    found = prompts.branches(answers)
    assert found[0].prefix == ()
    for index, answer in enumerate(answers):
        met = [branch for branch in found if any(index in members for members in branch.members)]
        for branch in met:
            assert answer[: len(branch.prefix)] == branch.prefix
            (token,) = {t for t, m in zip(branch.next, branch.members, strict=True) if index in m}
            assert answer[len(branch.prefix)] == token
        assert len({branch.prefix for branch in met}) == len(met)


@given(st.lists(words, min_size=2, max_size=12, unique=True), st.integers(0, 2**32 - 1))
def test_probabilities_of_the_paths_add_up_to_one(answers, seed):
    rng = np.random.default_rng(seed)
    total = np.ones(len(answers))
    for branch in prompts.branches(answers):
        chances = rng.dirichlet(np.ones(len(branch.next)))
        for chance, members in zip(chances, branch.members, strict=True):
            total[list(members)] *= chance
    assert total.sum() == pytest.approx(1)


@pytest.fixture
def loaded(made):
    return models.load(made / "base")


@pytest.mark.parametrize("labels", [("benign", "flooding", "xss"), ("sql_injection", "sql_probe", "sql", "benign")])
def test_scores_are_those_of_scoring_one_row_at_a_time(loaded, labels):
    form = prompts.format_for(loaded.tokenizer, 48)
    scorer = scoring.Scorer(loaded.model, form, labels)
    assert (scorer.scored_by == "one position") == (labels[0] == "benign")
    asked = [form.prompt(text)[0] for text in ("north sign1", "tower river stone gate red sign2 east", "blue")]
    found = {score.index: score for scores in scorer.score(asked, 2) for score in scores}
    assert sorted(found) == [0, 1, 2]
    for index, ids in enumerate(asked):
        logs = []
        for answer in scorer.answers:
            log = 0.0
            for branch in scorer.branches:
                if tuple(answer[: len(branch.prefix)]) == branch.prefix:
                    logits = np.array(loaded.model(mx.array([[*ids, *branch.prefix]]))[0, -1], np.float64)
                    among = logits[list(branch.next)]
                    log += logits[answer[len(branch.prefix)]] - np.log(np.exp(among).sum())
            logs.append(log)
        assert found[index].label == int(np.argmax(logs))
        assert found[index].probability == pytest.approx(np.exp(max(logs)), rel=1e-4)


def test_labels_that_are_the_same_tokens_are_refused_by_name(loaded):
    form = prompts.format_for(loaded.tokenizer, 48)
    with pytest.raises(Refusal, match="'xss' and 'xss'"):
        scoring.Scorer(loaded.model, form, ("xss", "benign", "xss"))
    with pytest.raises(Refusal, match="a label set of 1"):
        scoring.Scorer(loaded.model, form, ("xss",))
    with pytest.raises(Refusal, match="401 labels"):
        scoring.Scorer(loaded.model, form, [f"label{i}" for i in range(401)])


def test_free_generation_is_mlx_lms_own(host, tuned):
    loaded = models.load(host.path(tuned))
    form = prompts.format_for(loaded.tokenizer, 48)
    asked = [
        form.prompt(text)[0] for text in ("north sign1 east", "tower river stone gate red sign2", "sign0", "x" * 30)
    ]
    said = scoring.generate(loaded.model, loaded.tokenizer, asked, 8)
    for ids, text in zip(asked, said, strict=True):
        assert text == mlx_lm.generate(loaded.model, loaded.tokenizer, prompt=ids, max_tokens=8).strip()


def test_prompt_is_the_chat_template_and_cuts_only_the_event(loaded):
    form = prompts.format_for(loaded.tokenizer, 24)
    turn = [{"role": "user", "content": "north gate"}]
    whole = loaded.tokenizer.apply_chat_template(turn, add_generation_prompt=True)
    assert form.prompt("north gate") == (list(whole), False)
    ids, cut = form.prompt("word " * 100)
    assert cut
    assert len(ids) == 24
    assert tuple(ids[-len(form.after) :]) == form.after
    with pytest.raises(Refusal, match="leaves no room"):
        prompts.format_for(loaded.tokenizer, 4)


def test_without_a_chat_template_the_event_is_asked_in_words(loaded):
    loaded.tokenizer.chat_template = None
    form = prompts.format_for(loaded.tokenizer, 64)
    ids, _ = form.prompt("north gate")
    assert loaded.tokenizer.decode(ids) == f"{prompts.ASK}north gate{prompts.ANSWER}"
    assert loaded.tokenizer.decode(form.label("xss")[:-1]) == " xss"
    assert form.label("xss")[-1] == loaded.tokenizer.eos_token_id
