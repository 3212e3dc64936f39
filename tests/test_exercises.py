"""Every solution is accepted, every known mistake is named, and `check` never raises."""

import dataclasses
import functools
import html
import importlib.util
import math
import re
import string
import threading
import time

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from vae_course.commands import notebooks
from vae_course.commands.notebooks import notebook_paths
from vae_course.commands.solutions import SOLUTIONS, failures, read_solutions, solved
from vae_course.exercises import CHAPTERS, EXERCISES, check, checking, quiz
from vae_course.exercises.checking import MARKS, examine
from vae_course.exercises.limits import TimeUp, run_limited
from vae_course.exercises.quizzes import QUIZZES

NUMBERS = sorted({exercise.id.split(".")[0] for exercise in EXERCISES.values()})
MISTAKES = [
    pytest.param(exercise, mistake, id=f"{exercise.id}-{mistake.diagnosis}")
    for exercise in EXERCISES.values()
    for mistake in exercise.mistakes
]
FUNCTIONS = [exercise for exercise in EXERCISES.values() if exercise.kind == "function"]


def each_exercise():
    return pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def each_function():
    return pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.id)


def defined_by(code: str) -> dict:
    names = {"math": math, "torch": torch}  # what the notebooks have imported by then
    exec(code, names)
    return names


def message_for(number: str, answer: object) -> str:
    """Return the line for an answer, after checking that it is a single clean one."""
    verdict = examine(EXERCISES[number], answer)
    assert verdict.status in MARKS
    assert verdict.text.startswith(f"Exercise {number}: ")
    assert verdict.text.isprintable()
    assert len(verdict.text) < 420
    assert "could not make sense" not in verdict.text
    return verdict.text


# --- solutions and mistakes -----------------------------------------------------------------------


@each_exercise()
def test_its_solution_is_right(exercise):
    code = read_solutions(f"0{exercise.id[0]}")[exercise.id]
    answer = defined_by(code)[exercise.name]
    line = message_for(exercise.id, answer)
    assert line.startswith(f"Exercise {exercise.id}: right. {exercise.verified}")


@pytest.mark.parametrize("seed", [393, *range(20)])  # training once diverged for seed 393
def test_the_small_vae_trains_without_diverging(seed):
    step = EXERCISES["2.3"]
    losses_and_weights = step.expected(step.draw_cases(seed))[0]
    assert np.abs(losses_and_weights).max() < 50


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_a_known_mistake_gets_its_own_diagnosis(exercise, mistake):
    for _ in range(3):  # on fresh inputs each time
        line = message_for(exercise.id, mistake.answer)
        expected = f"not yet. This looks like {mistake.diagnosis}. Hint: {mistake.hint}"
        assert line == f"Exercise {exercise.id}: {expected}"


@each_exercise()
def test_messages_about_mistakes_are_complete_sentences(exercise):
    diagnoses = {mistake.diagnosis: mistake.hint for mistake in exercise.mistakes}
    assert len(diagnoses) >= 3
    assert len(set(diagnoses.values())) == len(diagnoses), "a hint of its own for each"
    for diagnosis, hint in diagnoses.items():
        assert not diagnosis.endswith(".")
        assert hint[0] not in string.ascii_lowercase
        assert hint[-1] in ".?!", hint


@each_function()
def test_one_per_cent_off_is_not_right(exercise):
    def nearly(*arguments):
        return 1.01 * torch.as_tensor(exercise.oracle(*arguments)).double()

    assert not message_for(exercise.id, nearly).startswith(f"Exercise {exercise.id}: right")


def test_the_inputs_are_fresh():
    first, second = (EXERCISES["1.1"].draw_cases(seed) for seed in range(2))
    assert first[0].arguments[0].equal(second[0].arguments[0])  # the example stays
    assert not first[1].arguments[0].equal(second[1].arguments[0])


def test_the_notebooks_settings_change_nothing():
    torch.set_default_dtype(torch.float64)  # as in notebook 01
    try:
        with torch.no_grad():  # as in notebook 03
            for exercise in EXERCISES.values():
                test_its_solution_is_right(exercise)
    finally:
        torch.set_default_dtype(torch.float32)


# --- right answers, written differently -----------------------------------------------------------


def by_loop(z, mean, std):
    answer = []
    for m, s in zip(mean, std, strict=True):
        total = 0.0
        for i in range(len(z)):
            total += -((z[i] - m[i]) ** 2) / (2 * s[i] ** 2)
            total -= math.log(math.sqrt(2 * math.pi) * s[i])
        answer.append(total)
    return answer


def by_numpy(z, mean, std):
    z, mean, std = (np.asarray(value) for value in (z, mean, std))
    return np.sum(-0.5 * np.square((z - mean) / std) - np.log(std * np.sqrt(2 * np.pi)), axis=1)


def in_place(z, mean, std):
    mean -= z
    mean /= std
    mean *= mean
    mean *= -0.5
    mean -= std.log_()
    return mean.sum(1) - len(z) * 0.5 * math.log(2 * math.pi)


def in_float32(z, mean, std):
    q = torch.distributions.Normal(mean.float(), std.float())
    return q.log_prob(z.float()).sum(dim=1)


def draw_in_place(mean, std, eps):
    eps *= std
    eps += mean
    return eps


def draw_with_gradient(mean, std, eps):
    return mean.requires_grad_() + std.requires_grad_() * eps


def kl_by_numpy_alone(mean, std):
    variance = np.power(std, 2).astype(np.float64)  # a tensor has no astype
    return np.sum(variance + mean**2 - 1 - np.log(variance), axis=1) / 2


def kl_from_log_variance(mean, std):
    log_variance = 2 * std.log()
    return -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)


def kl_as_list_of_numbers(mean, std):
    rows = zip(mean.tolist(), std.tolist(), strict=True)
    return [
        sum((m * m + s * s - 1) / 2 - math.log(s) for m, s in zip(*row, strict=True))
        for row in rows
    ]


def elbo_by_loop(log_prob, kl):
    total = 0.0
    for image in range(len(kl)):
        total += float(log_prob[image].sum()) - float(kl[image].sum())
    return total / len(kl)


def elbo_of_totals(log_prob, kl):
    return np.float64((log_prob.sum() - kl.sum()).item() / len(kl))


def dead_as_list(kl, losses):
    return [bool(loss < 0.5) for loss in losses]


def length_by_numpy(mean, std):
    return (np.asarray(mean) ** 2 + np.asarray(std) ** 2).sum() / len(mean)


def top_by_sorting(z, mean, std, k):
    scores = by_loop(z, mean, std)
    return sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:k]


def top_by_numpy(z, mean, std, k):
    return np.argsort(-by_numpy(z, mean, std))[:k].astype(np.int32)


def top_by_topk(z, mean, std, k):
    return in_float32(z, mean, std).topk(k).indices


def recall_by_loop(indices, garment, k):
    found = 0
    for row, own in zip(indices.tolist(), garment.tolist(), strict=True):
        found += own in row[:k]
    return found / len(indices)


def recall_by_numpy(indices, garment, k):
    return np.mean(np.any(np.asarray(indices)[:, :k] == np.asarray(garment)[:, None], axis=1))


def far_winner_by_going_there(mean, std, u):
    r = 1e6 * max(1.0, float(np.abs(mean).max()))
    return int(np.argmax(by_numpy(r * u, mean, std)))


def familiar_by_numpy(z, mean, std, threshold):
    z, mean, std = (np.asarray(value) for value in (z, mean, std))
    return (((z[:, None] - mean) / std) ** 2).sum(2).min(1) < threshold


def familiar_as_numbers(z, mean, std, threshold):
    pairs = list(zip(mean, std, strict=True))
    squared = [min(float((((a - m) / s) ** 2).sum()) for m, s in pairs) for a in z]
    return [int(smallest < threshold) for smallest in squared]


def probabilities_by_numpy(log_likelihood, best):
    log_likelihood -= log_likelihood.max()
    likelihood = np.exp(log_likelihood.numpy())
    return likelihood[best.numpy()] / likelihood.sum()


def probabilities_in_float32(log_likelihood, best):
    return torch.softmax(log_likelihood.float(), 0)[best]


DIFFERENT = [
    *[("1.1", answer) for answer in (by_loop, by_numpy, in_place, in_float32)],
    *[("1.2", answer) for answer in (draw_in_place, draw_with_gradient)],
    ("1.3", kl_by_numpy_alone),
    ("1.3", kl_from_log_variance),
    ("1.3", kl_as_list_of_numbers),
    ("2.1", elbo_by_loop),
    ("2.1", elbo_of_totals),
    ("2.2", dead_as_list),
    ("2.2", lambda kl, losses: np.asarray(losses) < 0.5),
    ("3.1", "  Mean and STD "),
    ("3.2", length_by_numpy),
    *[("3.3", answer) for answer in (5.5, 30**0.5, np.float32(5.48), torch.tensor([5.47722]))],
    *[("4.1", answer) for answer in (top_by_sorting, top_by_numpy, top_by_topk)],
    ("4.2", torch.tensor([[1.0, 1.0], [2.0, 0.5], [0.25, 4.0]])),
    ("4.2", np.array([[3, 4], [6, 2], [1, 12]])),
    ("4.2", [[2, 3], (1, 6), torch.tensor([1.5, 4.0])]),
    ("4.3", probabilities_by_numpy),
    ("4.3", probabilities_in_float32),
    ("5.1", recall_by_loop),
    ("5.1", recall_by_numpy),
    ("5.2", far_winner_by_going_there),
    ("5.3", familiar_by_numpy),
    ("5.3", familiar_as_numbers),
]


@pytest.mark.parametrize(("number", "answer"), DIFFERENT)
def test_a_right_answer_written_differently_is_right(number, answer):
    assert message_for(number, answer).startswith(f"Exercise {number}: right.")


# --- untouched ------------------------------------------------------------------------------------


@each_exercise()
def test_an_untouched_stub_gets_a_polite_line(exercise):
    answer = defined_by(exercise.stub)[exercise.name]
    for untouched in (answer, ...):
        line = message_for(exercise.id, untouched)
        assert line.startswith(f"Exercise {exercise.id}: not tried yet. Replace the ... with")
    assert "..." in exercise.stub


@each_function()
def test_other_empty_functions_are_untouched_too(exercise):
    def nothing(*arguments): ...

    def documented(*arguments):
        """Say nothing."""

    def begun(*arguments):
        return ..., 1

    for untouched in (nothing, documented, begun):
        assert "not tried yet" in message_for(exercise.id, untouched)


# --- what goes wrong ------------------------------------------------------------------------------


def test_an_exception_is_reported_with_the_learners_line():
    def broken(mean, std):
        variance = std**2
        return variance / nothing_of_that_name  # noqa: F821

    line = message_for("1.3", broken)
    assert "Your code raised NameError, in broken, line " in line
    assert "(return variance / nothing_of_that_name  # noqa: F821" in line
    assert line.endswith("name 'nothing_of_that_name' is not defined")


@pytest.mark.parametrize(
    ("number", "answer", "expected"),
    [
        ("1.1", lambda z, mean, std: None if len(z) else 0, "returned None where numbers"),
        ("1.1", functools.partial(lambda *_: None), "returned None where numbers"),
        ("1.1", lambda z, mean, std: "four", "returned text where numbers"),
        ("1.1", lambda z, mean, std: {1: 2}, "returned a dict where numbers"),
        ("1.1", lambda z, mean, std: 1j, "returned complex numbers where"),
        ("1.1", lambda z, mean, std: [[1], [1, 2]], "a list whose entries have different shapes"),
        ("1.1", 3.0, "takes a function, check"),
        ("1.1", lambda z: z, "(The call was my_log_density(z, mean, std).)"),
        ("1.1", lambda z, mean, std: 5, "returned a single number; expected is the shape [1]."),
        ("1.1", torch.zeros(2), "yours is a tensor."),
        (
            "1.1",
            lambda z, mean, std: std.log() * math.nan,
            "returned the shape [1, 1]; expected is the shape [1].",
        ),
        ("1.1", lambda z, mean, std: (std - 9).log().sum(1), "returned NaN (not a number)"),
        (
            "1.1",
            lambda z, mean, std: mean.sum(1),
            "With z = [2.0], mean = [[1.0]], std = [[0.5]] it returned 1 in place [0]; "
            "expected is −2.226.",
        ),
        (
            "1.1",
            lambda z, mean, std: torch.full((len(mean),), -2.2258),
            "right on the example, but it is wrong on several garments and dimensions, z of shape",
        ),
        (
            "1.2",
            lambda mean, std, eps: mean + std * torch.randn_like(eps),
            "gives two different results",
        ),
        ("2.1", lambda log_prob, kl: 7.0, "With log_prob of shape [2, 1, 28, 28], kl = [[1.0"),
        ("3.1", "mu", '"mu" is not one of the answers: "mean" or'),
        ("3.1", 5, "takes a text"),
        ("3.3", "5.5", "takes a number; yours is text."),
        ("3.3", [1.0, 2.0], "takes a number; yours is of shape [2]."),
        ("3.3", math.nan, "yours holds NaN or infinity"),
        ("3.3", 4.2, "4.2 is too small."),
        ("3.3", lambda: 5.5, "is a function. Call it first."),
        ("3.3", np.complex64(1j), "yours is complex numbers."),
        ("3.3", 10**400, "yours is a number too large for a computer's float."),
        ("3.3", np.array([4.2], dtype=object), "4.2 is too small."),
        ("4.2", [1.0, 2.0], "takes numbers of shape [3, 2]; yours is of shape [2]."),
    ],
)
def test_other_answers_get_the_expected_message(number, answer, expected):
    assert expected in message_for(number, answer)


def test_the_same_wrong_answer_gets_the_same_line():
    for answer in (lambda z, mean, std: z, lambda z, mean, std: mean.sum(1) + z.sum()):
        assert len({message_for("1.1", answer) for _ in range(5)}) == 1


def test_an_unknown_exercise_number_gets_a_polite_message(capsys):
    for number in ("9.9", 4.2, None, []):
        check(number, 1)
        assert "There is no such exercise; there are 1.1, 1.2" in capsys.readouterr().out
        assert quiz(number) is None
        assert "There is no such quiz" in capsys.readouterr().out


def test_check_prints_one_line(capsys):
    assert check("3.1", "mean and std") is None
    assert capsys.readouterr().out == message_for("3.1", "mean and std") + "\n"


def test_the_coloured_view_has_the_same_text():
    for answer in (..., "mean", "mean and std", "<b>"):
        verdict = examine(EXERCISES["3.1"], answer)
        bare = html.unescape(re.sub("<[^>]+>", "", verdict.html))
        assert bare.split(" ", 1)[1] == verdict.text  # after the mark
        assert "background" not in verdict.html  # fits light and dark themes


# --- code that does not come back -----------------------------------------------------------------


def endless(*arguments):
    while True:
        pass


def endless_and_stubborn(*arguments):
    end = time.monotonic() + 4  # it ends at last, so that it does not slow the other tests down
    while time.monotonic() < end:
        try:
            time.sleep(0.001)
        except BaseException:
            continue


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (endless, "was stopped, in endless, line "),
        (endless_and_stubborn, "could not be stopped, in endless_and_stubborn, line "),
        (lambda *_: time.sleep(4), "could not be stopped, in <lambda>, line "),
    ],
)
def test_check_returns_after_an_endless_loop(monkeypatch, answer, end):
    monkeypatch.setattr(checking, "SECONDS", 0.3)
    line = message_for("1.1", answer)
    assert f"Your code was still running after 0.3 seconds and {end}" in line
    assert "Does a loop never end?" in line
    assert ("restart its kernel" in line) == ("could not" in end)


def test_an_endless_loop_leaves_no_thread_behind(monkeypatch):
    monkeypatch.setattr(checking, "SECONDS", 0.3)
    before = threading.active_count()
    message_for("1.1", endless)
    assert threading.active_count() == before


def test_check_stops_an_endless_loop_outside_the_main_thread(monkeypatch):
    monkeypatch.setattr(checking, "SECONDS", 0.3)
    lines = []
    thread = threading.Thread(target=lambda: lines.append(message_for("1.1", endless)))
    thread.start()
    thread.join(10)
    assert "still running after 0.3 seconds and was stopped, in endless, line " in lines[0]


def test_limited_code_returns_its_result_and_raises_its_errors():
    assert run_limited(lambda: 7, 5.0) == 7
    with pytest.raises(ZeroDivisionError):
        run_limited(lambda: 1 / 0, 5.0)


@pytest.mark.parametrize(
    ("number", "answer"),
    [("3.1", "..."), ("3.1", " "), ("4.2", [..., 1, 2]), ("4.2", [[..., 1], [1, 1], [1, 1]])],
)
def test_an_answer_that_still_contains_an_ellipsis_counts_as_not_tried(number, answer):
    assert message_for(number, answer).startswith(f"Exercise {number}: not tried yet")


def test_no_error_inside_check_stops_a_notebook(monkeypatch):
    monkeypatch.setattr(checking, "_examine", lambda *_: 1 / 0)
    verdict = examine(EXERCISES["1.1"], 0)
    assert verdict.status == "not yet"
    assert verdict.message == "check could not make sense of this answer (ZeroDivisionError)."


def test_an_exercise_that_cannot_tell_a_mistake_from_the_answer_is_an_error():
    exercise = EXERCISES["1.1"]
    same = dataclasses.replace(exercise.mistakes[0], answer=exercise.oracle)
    with pytest.raises(RuntimeError, match=r"1\.1: its cases do not tell the mistakes apart"):
        dataclasses.replace(exercise, mistakes=(same,)).draw_cases(0)


def test_the_user_can_interrupt_a_second_try_with_numpy():
    def interrupted(*arguments):
        if isinstance(arguments[0], torch.Tensor):
            raise ValueError("expects an array")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(EXERCISES["1.1"], interrupted)


def test_the_user_can_interrupt():
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("1.1", interrupted)


# --- junk -----------------------------------------------------------------------------------------


class Hostile:
    """Raises at whatever it is asked."""

    def _refuse(self, *arguments):
        raise RuntimeError("no\nnot \x1b[31mthis")

    __repr__ = __str__ = __array__ = __len__ = __iter__ = __bool__ = __float__ = __eq__ = _refuse
    __hash__ = None


class SilentError(Exception):
    def __str__(self):
        raise ValueError


def endless_list():
    found = []
    found.append(found)
    return found


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=30),
    st.binary(max_size=9),
    st.dates(),
    st.sampled_from([..., object(), int, print, math, endless_list(), 10**400, {1}, {}]),
    st.builds(Hostile),  # not sampled from: hypothesis may ask a strategy for its repr
    st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=3)), max_size=4),
    np_st.arrays(
        st.sampled_from([float, np.float32, int, bool, complex, object, "U3", "M8[s]"]),
        np_st.array_shapes(min_dims=0, max_dims=3, max_side=5),
    ),
    st.lists(st.integers(0, 4), max_size=4).map(lambda shape: torch.full(shape, math.nan)),
    st.sampled_from([torch.zeros(2, dtype=torch.complex64), torch.empty(4, device="meta")]),
    st.sampled_from([torch.eye(2).to_sparse(), torch.zeros(3, 2), torch.ones(5).bool()]),
)
ERRORS = st.sampled_from(
    [
        *(ValueError("bad"), SystemExit(3), GeneratorExit(), MemoryError(), SilentError()),
        *(RecursionError("deep"), StopIteration(), AssertionError("a\n\nb"), TimeUp()),
    ]
)


@given(number=st.sampled_from(sorted(EXERCISES)), answer=VALUES)
def test_no_invalid_answer_makes_check_raise(number, answer):
    message_for(number, answer)
    check(number, answer)


@given(number=st.sampled_from([exercise.id for exercise in FUNCTIONS]), result=VALUES)
def test_no_invalid_return_value_makes_check_raise(number, result):
    assert ": right." not in message_for(number, lambda *arguments: result)


@given(number=st.sampled_from([exercise.id for exercise in FUNCTIONS]), error=ERRORS)
def test_no_error_raised_by_an_answer_makes_check_raise(number, error):
    def broken(*arguments):
        raise error

    line = message_for(number, broken)
    assert "Your code raised " in line or "still running" in line


# --- quizzes --------------------------------------------------------------------------------------


def each_quiz():
    return pytest.mark.parametrize("number", sorted(QUIZZES))


@each_quiz()
def test_every_question_has_one_right_answer_and_says_why(number):
    asked = quiz(number)
    assert len(asked.questions) == 3
    for place, question in enumerate(asked.questions):
        texts = [text for text, _ in question.options]
        assert 3 <= len(set(texts)) == len(texts)
        assert max(map(len, texts)) < 60, "one line, also on a narrow screen"
        assert asked.choices[place].value is None
        asked.buttons[place].click()
        assert "Choose an answer first." in asked.feedback[place].value
        verdicts = []
        for option, (_, reason) in enumerate(question.options):
            asked.choices[place].value = option
            assert asked.feedback[place].value == ""
            asked.buttons[place].click()
            shown = html.unescape(asked.feedback[place].value)
            assert reason in shown
            assert len(reason.split()) >= 5
            verdicts.append("Right. " in shown)
        assert verdicts.count(True) == 1
        assert verdicts.index(True) == question.right()


RIGHT_ANSWERS = {  # as an instructor who works them out by hand would mark them
    1: ["A, the narrow one", "μ = 0, σ = 1", "by chance"],
    2: ["β = 784", "the KL cannot tell", "245.5 nats"],
    3: ["nothing", "about three times as long", "below 1"],
    4: ["scaled Euclidean", "the narrow one's, always", "it fits better than the others"],
    5: ["nothing", "about 0.9", "the one that is widest along that axis"],
    6: ["65", "by more than a hundredth of a nat", "no, and the answer stays exact"],
}


@pytest.mark.parametrize("number", RIGHT_ANSWERS)
def test_the_computed_key_is_the_one_found_by_hand(number):
    answers = [question.options[question.right()][0] for question in QUIZZES[number]]
    for answer, expected in zip(answers, RIGHT_ANSWERS[number], strict=True):
        assert answer.startswith(expected)


@each_quiz()
def test_the_key_does_not_depend_on_the_notebooks_settings(number):
    expected = [question.right() for question in QUIZZES[number]]
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        assert [question.right() for question in QUIZZES[number]] == expected
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.get_rng_state().equal(state)


@each_quiz()
def test_a_reader_without_a_kernel_sees_the_questions_and_not_the_key(number):
    text = quiz(number)._repr_mimebundle_()["text/plain"]
    assert text == quiz(number)._repr_mimebundle_()["text/plain"]
    for question in QUIZZES[number]:
        assert question.ask in text
        for option, reason in question.options:
            assert option in text
            assert reason not in text


def test_the_right_answers_are_at_different_positions():
    for questions in QUIZZES.values():
        assert len({question.right() for question in questions}) > 1


# --- notebooks and solutions ----------------------------------------------------------------------


def test_ids_count_up_within_their_chapter():
    for number, chapter in enumerate(CHAPTERS, start=1):
        ids = [exercise.id for exercise in chapter.EXERCISES]
        assert ids == [f"{number}.{place}" for place in range(1, len(ids) + 1)]
        assert 2 <= len(ids) <= 4
        assert number in QUIZZES


def test_there_is_a_solution_for_each_exercise_and_no_other():
    found = [name for path in sorted(SOLUTIONS.glob("*.py")) for name in read_solutions(path.stem)]
    assert found == list(EXERCISES)
    for path in SOLUTIONS.glob("*.py"):  # each file runs as it stands, too
        specification = importlib.util.spec_from_file_location("solution", path)
        specification.loader.exec_module(importlib.util.module_from_spec(specification))


def with_exercises():
    return pytest.mark.parametrize(
        "path",
        [path for path in notebook_paths() if str(int(path.name[:2])) in NUMBERS],
        ids=lambda path: path.stem,
    )


@with_exercises()
def test_the_notebook_holds_its_exercises_and_its_quiz(path):
    notebook = nbformat.read(path, as_version=4)
    number = int(path.name[:2])
    sources = [cell.source for cell in notebook.cells]
    expected = []
    for exercise in EXERCISES.values():
        if exercise.id.startswith(f"{number}."):
            expected += [exercise.markdown, exercise.stub, exercise.call]
    first = sources.index(expected[0])
    assert sources[first : first + len(expected)] == expected
    assert sum(source.startswith("check(") for source in sources) == len(expected) // 3
    assert sources[first + len(expected)].startswith("## Quiz")
    assert sources[first + len(expected) + 1] == f"quiz({number})"
    assert "## Exercises" in "".join(sources[:first])
    assert sources[first + len(expected) + 2].startswith("## What you have learned")


def test_exercises_are_written_into_their_notebook(monkeypatch):
    (path,) = notebook_paths(["04"])
    before, after = (nbformat.read(path, as_version=4) for _ in range(2))
    reworded = dataclasses.replace(EXERCISES["4.2"], ask="Which σ make the rules agree?")
    new = dataclasses.replace(EXERCISES["4.1"], id="4.5", name="my_best")
    monkeypatch.setitem(EXERCISES, "4.2", reworded)
    monkeypatch.setitem(EXERCISES, "4.5", new)
    notebooks.write_exercises(after, 4)
    nbformat.validate(after)
    place = [cell.source for cell in before.cells].index('check("4.2", my_std)')
    assert after.cells[place - 2].source == reworded.markdown
    end = [cell.source for cell in before.cells].index(EXERCISES["4.4"].call) + 1
    added = after.cells[end : end + 3]
    assert [cell.source for cell in added] == [new.markdown, new.stub, 'check("4.5", my_best)']
    assert [cell.id for cell in added] == [f"exercise-4-5-{p}" for p in ("ask", "stub", "check")]
    del after.cells[end : end + 3]
    after.cells[place - 2].source = before.cells[place - 2].source
    assert after == before  # all other cells are as they were, stored outputs included


@with_exercises()
def test_the_notebook_shows_the_output_of_check_and_quiz(path):
    for cell in nbformat.read(path, as_version=4).cells:
        texts = [output.get("data", {}).get("text/plain") for output in cell.get("outputs", [])]
        if called := re.match(r'check\("(.+)", ', cell.source):
            assert texts == [examine(EXERCISES[called.group(1)], ...).text]
        elif called := re.match(r"quiz\((\d+)\)", cell.source):
            assert texts == [repr(quiz(int(called.group(1))))]


@with_exercises()
def test_the_solved_notebook_differs_only_in_the_stubs(path):
    before, after = nbformat.read(path, as_version=4), solved(path)
    changed = [
        (old.source, new.source)
        for old, new in zip(before.cells, after.cells, strict=True)
        if old.source != new.source
    ]
    stubs = [
        exercise for exercise in EXERCISES.values() if exercise.id[0] == str(int(path.stem[:2]))
    ]
    solutions = read_solutions(path.name[:2])
    assert changed == [(exercise.stub, solutions[exercise.id]) for exercise in stubs]
    assert len(failures(after)) == len(stubs)  # none was run yet
