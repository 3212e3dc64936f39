"""Three questions at the end of each notebook. Which option is right is computed, not written."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import torch
from torch.distributions import Independent, Normal, kl_divergence

from vae_lib.lifted import Lifting
from vae_lib.linear_gaussian import correlated_model
from vae_lib.model import VAE
from vae_lib.objective import elbo
from vae_lib.posteriors import Posteriors
from vae_lib.retrieval import PosteriorIndex
from vae_lib.rules import RANKINGS

RIGHT, WRONG = "#009E73", "#D55E00"


@dataclass(frozen=True)
class Question:
    """A question, its options with what to say of each, and a function that finds the right one."""

    ask: str
    options: tuple[tuple[str, str], ...]  # (text, feedback)
    answer: Callable[[], int]

    def right(self) -> int:
        """Return the number of the right option, whatever dtype the notebook has chosen."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            with torch.no_grad():
                return self.answer()
        finally:
            torch.set_default_dtype(before)


class Quiz(widgets.VBox):
    """The questions as radio buttons, each with a button that gives the reason.

    By keyboard: Tab goes on, Space chooses and presses (JupyterLab keeps the arrow keys to itself).
    `choices` and `feedback` can be read and set without a browser.
    """

    def __init__(self, number: int, questions: tuple[Question, ...]):
        self.number = number
        self.questions = questions
        self.choices: list[widgets.RadioButtons] = []
        self.buttons: list[widgets.Button] = []
        self.feedback: list[widgets.HTML] = []
        super().__init__([self._question(place) for place in range(len(questions))])

    def _question(self, place: int) -> widgets.VBox:
        question = self.questions[place]
        choice = widgets.RadioButtons(
            options=[(text, index) for index, (text, _) in enumerate(question.options)],
            value=None,
            layout={"width": "auto"},
        )
        button = widgets.Button(
            description=f"Check question {place + 1}", layout={"width": "max-content"}
        )
        feedback = widgets.HTML()
        choice.observe(lambda _: self._clear(place), names="value")
        button.on_click(lambda _: self.grade(place))
        self.choices.append(choice)
        self.buttons.append(button)
        self.feedback.append(feedback)
        title = f"<b>Question {place + 1}.</b> {html.escape(question.ask)}"
        heading = widgets.HTML(f'<div style="line-height: 1.5">{title}</div>')
        return widgets.VBox([heading, choice, button, feedback], layout={"margin": "0 0 16px 0"})

    def _clear(self, place: int) -> None:
        self.feedback[place].value = ""

    def grade(self, place: int) -> None:
        """Say whether the option chosen in a question is right, and why."""
        question, chosen = self.questions[place], self.choices[place].value
        if chosen is None:
            self.feedback[place].value = _said("Choose an answer first.", "#888888")
            return
        right = chosen == question.right()
        reason = f"{'Right' if right else 'Not quite'}. {question.options[chosen][1]}"
        self.feedback[place].value = _said(reason, RIGHT if right else WRONG)

    def __repr__(self) -> str:
        lines = [
            f"Quiz {self.number:02d}. Where no kernel runs, the questions are only to be read."
        ]
        for place, question in enumerate(self.questions):
            lines += ["", f"Question {place + 1}. {question.ask}"]
            lines += [f"  ( ) {text}" for text, _ in question.options]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **options: Any) -> dict:
        return {**super()._repr_mimebundle_(**options), "text/plain": repr(self)}


def _said(text: str, color: str) -> str:
    style = f"border-left: 4px solid {color}; padding: 2px 0 2px 10px; line-height: 1.5"
    return f'<div role="status" style="{style}">{html.escape(text)}</div>'


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# --- 01 -------------------------------------------------------------------------------------------


def _denser_at_its_mean() -> int:
    zero, narrow, wide = torch.zeros(2), torch.full((2,), 0.5), torch.full((2,), 2.0)
    scores = [Independent(Normal(zero, std), 1).log_prob(zero) for std in (narrow, wide)]
    return 2 if scores[0] == scores[1] else int(scores[1] > scores[0])


def _smallest_kl() -> int:
    q = Normal(torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.01, 1.0, 1.0]))
    return int(kl_divergence(q, Normal(torch.zeros(3), torch.ones(3))).argmin())


def _what_an_estimate_above_means() -> int:
    model, generator = correlated_model(correlation=0.4), _generator()
    x = torch.randn(1, 5, generator=generator).expand(20_000, 5)
    estimates = elbo(model, x, generator=generator).elbo
    exact = model.log_prob(x[:1])
    some_above, mean_below = bool((estimates > exact).any()), bool(estimates.mean() < exact)
    return 0 if some_above and mean_below else 1


CHAPTER_01 = (
    Question(
        "z lies exactly on the mean of two garments in the plane. A has σ = (½, ½), B has "
        "σ = (2, 2). Which one does the likelihood name?",
        (
            ("A, the narrow one", "Both distances are 0; what is left is −Σ log σ, larger for A."),
            ("B, the wide one", "B pays log σ for being wide, and at distance 0 it gains nothing."),
            ("neither: both are at distance 0", "The distances tie, but −Σ log σ does not."),
        ),
        _denser_at_its_mean,
    ),
    Question(
        "Which q(z|x) costs the fewest nats of KL to the prior, in one dimension?",
        (
            ("μ = 0, σ = 0.01: exactly in the middle", "So small a σ costs more than 4 nats."),
            ("μ = 1, σ = 1: as wide as the prior", "Nearly free, but μ² / 2 is half a nat."),
            ("μ = 0, σ = 1: knows nothing of x", "It is the prior, so its KL is exactly 0."),
        ),
        _smallest_kl,
    ),
    Question(
        "You estimate the ELBO of one image with one draw, and it lies above log p(x). Why?",
        (
            (
                "by chance: only the average over draws is a bound",
                "The ELBO is an expectation. Single draws scatter around it, some above log p(x).",
            ),
            (
                "there is an error: a lower bound cannot lie above",
                "The expectation cannot. A single draw can; on the linear-Gaussian model many do.",
            ),
            (
                "the model has learned this image by heart",
                "log p(x) is what the model itself gives x, by heart or not.",
            ),
        ),
        _what_an_estimate_above_means,
    ),
)

# --- 02 -------------------------------------------------------------------------------------------


def _hidden_beta() -> int:
    """Multiply the loss so that its reconstruction has the weight 1, and read the KL's weight."""
    reconstruction, kl = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    weights = kl - reconstruction / 784  # of reconstruction and KL in the loss
    beta = (weights[1] / -weights[0]).item()
    return min(range(3), key=lambda i: abs((1 / 784, 1.0, 784.0)[i] - beta))


def _what_kl_tells() -> int:
    """Two decoders under one encoder: both see the same KL. Does either listen?"""
    generator = _generator()
    q = Normal(torch.randn(500, generator=generator), torch.tensor(0.5))
    z = q.mean + q.stddev * torch.randn(500, generator=generator)
    losses = []
    for weight in (1.0, 0.0):  # x = weight · z + noise
        x = weight * z + 0.1 * torch.randn(500, generator=generator)
        intact, shuffled = (Normal(weight * code, 0.1).log_prob(x) for code in (z, z.roll(1)))
        losses.append((intact - shuffled).mean().item())
    used = [loss > 0.5 for loss in losses]
    return {(True, True): 0, (False, False): 1}.get((used[0], used[1]), 2)


def _mean_over_the_data_set() -> int:
    sizes, means = torch.tensor([1000.0, 1000.0, 200.0]), torch.tensor([240.0, 240.0, 300.0])
    exact = (sizes @ means / sizes.sum()).item()
    return min(range(3), key=lambda i: abs((260.0, 245.5, 780.0)[i] - exact))


CHAPTER_02 = (
    Question(
        "A loss averages the reconstruction over the 784 pixels and adds the whole KL. Which β "
        "does it train with, in effect?",
        (
            ("β = 1/784", "The other way round: it is the reconstruction that has shrunk."),
            ("β = 1", "Both terms would have to be sums within one image."),
            ("β = 784", "Multiply the loss by 784: the reconstruction is right, the KL 784-fold."),
        ),
        _hidden_beta,
    ),
    Question(
        "After training with free bits of 0.5 nats, each of ten dimensions has a KL of 0.5 nats. "
        "How many does the decoder use?",
        (
            ("all ten", "The clamp gives half a nat away, used or not. A KL is no proof of use."),
            ("none of them", "They may well be used; a small KL does not say."),
            ("the KL cannot tell", "Shuffle each dimension among the images and watch the loss."),
        ),
        _what_kl_tells,
    ),
    Question(
        "Batches of 1,000, 1,000 and 200 images have a mean −ELBO of 240, 240 and 300 nats. "
        "What is the mean over the data set?",
        (
            ("260 nats", "That is the mean of three means; the small batch counts too much."),
            ("245.5 nats", "Every image counts once: (240 · 2000 + 300 · 200) / 2200."),
            ("780 nats", "That is a sum over batches, and grows with their number."),
        ),
        _mean_over_the_data_set,
    ),
)

# --- 03 -------------------------------------------------------------------------------------------


def _what_differs() -> int:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = VAE(latent_dim=2)
        x = torch.full((1, 1, 28, 28), 0.5)
        first, second = vae.encode(x), vae.encode(x)
    if not first.mean.equal(second.mean):
        return 1  # pragma: no cover - the key of a library whose encoder samples
    return 0 if first.stddev.equal(second.stddev) else 2


def _how_much_longer() -> int:
    generator = _generator()
    user = 10 * torch.rand(20_000, 10, generator=generator) - 5
    prior = torch.randn(20_000, 10, generator=generator)
    ratio = (user.norm(dim=1).mean() / prior.norm(dim=1).mean()).item()
    return min(range(3), key=lambda i: abs((1.0, 3.0, 10.0)[i] - ratio))


def _tempting_check() -> int:
    model, generator = correlated_model(correlation=0.4), _generator()
    z = torch.randn(20_000, 2, generator=generator)
    exact = model.posterior(model.likelihood(z).mean)
    spread = ((z - exact.mean) / exact.variance.sqrt()).std().item()
    return 0 if abs(spread - 1) < 0.1 else 1 if spread < 1 else 2


CHAPTER_03 = (
    Question(
        "You encode the same picture twice with the same model. What differs?",
        (
            ("nothing", "The encoder draws nothing: same picture, same μ, same σ."),
            ("μ", "μ is an ordinary function of the picture. Only a drawn z differs."),
            ("σ", "σ is an ordinary function of the picture. Only a drawn z differs."),
        ),
        _what_differs,
    ),
    Question(
        "A user sets ten sliders at random between −5 and 5. How long is that z, compared with a "
        "draw from the prior?",
        (
            ("about as long", "The prior's coordinates are about 1 in size, the user's about 2.9."),
            ("about three times as long", "√(25/3) = 2.9 a slider, against 1 for the prior."),
            ("about ten times as long", "Even a corner of the cube is only five times as long."),
        ),
        _how_much_longer,
    ),
    Question(
        "Draw z from the prior, decode it, and give the decoder's mean to the exact posterior. "
        "How large is the spread of (z − μ)/σ?",
        (
            (
                "1, because the posterior is exact",
                "It is exact for pictures drawn from p(x|z). The decoder's mean is none.",
            ),
            (
                "below 1: the picture lacks its noise",
                "Without noise the picture gives z away, and the exact posterior fails this check.",
            ),
            ("above 1: every posterior is too bold", "Not the exact one, and the check is void."),
        ),
        _tempting_check,
    ),
)

# --- 04 -------------------------------------------------------------------------------------------


def _same_as_the_likelihood() -> int:
    generator = _generator()
    mean = torch.randn(50, 3, generator=generator)
    std = torch.tensor([0.1, 0.5, 2.0]).expand(50, 3)
    index, z = PosteriorIndex(mean=mean, std=std), torch.randn(20, 3, generator=generator)
    order = index.search(z, k=50).indices
    rules = ("euclidean", "scaled-euclidean")
    same = [index.search(z, k=50, rule=rule).indices.equal(order) for rule in rules]
    return same.index(True) if any(same) else 2


def _favoured_by_averaging() -> int:
    """Two garments at the same place: whose squared distance is smaller on average over ε?"""
    eps, z = torch.randn(50_000, 2, generator=_generator()), torch.tensor([1.0, 1.0])
    narrow, wide = ((z - std * eps).square().sum(dim=1).mean() for std in (0.5, 2.0))
    return 2 if abs(narrow - wide) < 0.1 else int(wide < narrow)


def _what_99_percent_says() -> int:
    generator = _generator()
    mean = torch.randn(100, 10, generator=generator)
    std = 0.3 + 0.5 * torch.rand(100, 10, generator=generator)
    index = PosteriorIndex(mean=mean, std=std)
    z = torch.full((10,), 5.0)
    best = index.search(z, k=1)
    assert best.probabilities is not None
    sure, near = bool(best.probabilities[0] > 0.99), bool(index.is_familiar(z)[0])
    return 0 if sure and near else 1


CHAPTER_04 = (
    Question(
        "All garments have the same σ vector, (0.1, 0.5, 2). Which distance ranks as the "
        "likelihood does?",
        (
            ("Euclidean", "It would count a step in the sharp dimension like one in the wide one."),
            (
                "scaled Euclidean",
                "Σ log σ is the same for all; what is left divides each dimension by its σ.",
            ),
            (
                "no distance does",
                "Σ log σ is the same for all, so one distance does: a scaled one.",
            ),
        ),
        _same_as_the_likelihood,
    ),
    Question(
        "A narrow and a wide garment have the same mean. Averaged over ε, whose squared distance "
        "to z is smaller?",
        (
            ("the narrow one's, always", "The average is ‖z − μ‖² + Σσ²: a fine for being wide."),
            ("the wide one's, if z is far", "So the likelihood says. This average adds Σσ²."),
            ("neither: ε averages out", "ε has mean 0, but its square has not: it leaves Σσ²."),
        ),
        _favoured_by_averaging,
    ),
    Question(
        "The best garment has probability 99.9 % and a log density of −200 nats. What do you know?",
        (
            ("it fits z very well", "A log density of −200 nats says that z is far from it."),
            (
                "it fits better than the others, perhaps badly",
                "The probability compares garments with each other: a closed world.",
            ),
            ("the computation underflowed", "Logs do not. Both numbers can be right at once."),
        ),
        _what_99_percent_says,
    ),
)

# --- 05 -------------------------------------------------------------------------------------------


def _noise_encoder() -> tuple[PosteriorIndex, torch.Tensor, torch.Tensor]:
    """Return an index of posteriors that are pure noise, 4,000 garments drawn, and z from each."""
    generator = _generator()
    mean = torch.randn(200, 4, generator=generator)
    std = 0.1 + torch.rand(200, 4, generator=generator)
    index = PosteriorIndex(mean=mean, std=std)
    garment = torch.randint(200, (4000,), generator=generator)
    return index, garment, index.posteriors[garment].sample(generator)


def _what_a_win_says() -> int:
    index, garment, z = _noise_encoder()
    found = {rule: index.search(z, k=1, rule=rule).indices[:, 0] for rule in RANKINGS}
    recall = {rule: (found[rule] == garment).double().mean() for rule in RANKINGS}
    return 1 if max(recall, key=lambda rule: recall[rule]) == "likelihood" else 0


def _recall_from_probabilities() -> int:
    index, garment, z = _noise_encoder()
    found = index.search(z, k=10)
    assert found.probabilities is not None
    said = found.probabilities.sum(dim=1).mean()
    recall = (found.indices == garment[:, None]).any(dim=1).double().mean()
    return 2 if abs(said - recall) < 0.02 else int(recall < said)


def _far_winner() -> int:
    """Three garments: sharp along u, wide along u, and sharp with its mean far out on the ray."""
    mean = torch.tensor([[0.0, 0.0], [0.0, 0.0], [8.0, 0.0]])
    std = torch.tensor([[0.1, 1.0], [1.0, 0.1], [0.3, 1.0]])
    index = PosteriorIndex(mean=mean, std=std)
    return int(index.search([1000.0, 0.0], k=1).indices[0])


CHAPTER_05 = (
    Question(
        "At self-retrieval no rule beats the likelihood. What does that say of the encoder?",
        (
            ("that its μ and σ are good", "No rule beats it with μ and σ of pure noise, either."),
            (
                "nothing: it is so for any μ and σ",
                "z is drawn from the very Gaussians that it evaluates: optimal by construction.",
            ),
            ("that its σ is too small", "It is so whatever σ is, if z is drawn with that σ."),
        ),
        _what_a_win_says,
    ),
    Question(
        "For z drawn from the garments' posteriors, the summed probabilities of the ten best are "
        "0.9 on average. What is recall@10?",
        (
            ("above 0.9", "Then the probabilities would be too low, and they are exact here."),
            ("below 0.9", "Then the probabilities would be too high, and they are exact here."),
            (
                "about 0.9",
                "Its mean is exactly that of the sums: they are posterior probabilities.",
            ),
        ),
        _recall_from_probabilities,
    ),
    Question(
        "z moves away along the first axis, farther and farther. Which garment wins by likelihood "
        "in the end?",
        (
            ("one that is sharp along that axis", "Its log q falls fastest: r²/σ² is largest."),
            ("the one that is widest along that axis", "Its log q falls slowest, wherever μ is."),
            ("one whose μ lies out there", "μ counts with r, and σ with r². In the end σ decides."),
        ),
        _far_winner,
    ),
)

# --- 06 -------------------------------------------------------------------------------------------


def _numbers_for_32_dimensions() -> int:
    mean = torch.zeros(3, 32)
    return [32, 64, 65].index(Lifting(Posteriors(mean, torch.ones(3, 32))).dimensions)


def _error_when_shifted() -> int:
    """Shift garments by 100 and multiply out the square in float32, without centring."""
    generator = torch.Generator().manual_seed(0)
    mean = 100 + torch.randn(1000, 10, generator=generator)
    std = torch.full((1000, 10), 0.1)
    z = mean[:1]
    score = (z**2 * (-0.5 / std**2) + z * (mean / std**2) - 0.5 * (mean / std) ** 2).sum(dim=1)
    exact = -0.5 * (((z - mean) / std).double() ** 2).sum(dim=1)
    error = float((score.double() - exact).abs().median())
    return 0 if error < 1e-4 else 1 if error < 0.01 else 2


def _what_the_gap_proves() -> int:
    tenth, eighteenth, error = -3.0, -3.5, 0.01
    return 0 if eighteenth + error < tenth - error else 1


CHAPTER_06 = (
    Question(
        "A VAE has 32 latent dimensions. How many numbers does an engine need for each garment, if "
        "log q(z|x) is to be an inner product?",
        (
            ("32", "That is μ alone: it serves Euclidean distance."),
            ("64", "What meets z² and what meets z; one thing is missing."),
            ("65", "32 that meet z², 32 that meet z, and the constant."),
        ),
        _numbers_for_32_dimensions,
    ),
    Question(
        "A latent space is shifted by 100, and σ is 0.1. In 32-bit floats, not centred, how wrong "
        "is a score from multiplying out the square?",
        (
            ("by less than 0.0001 nats", "The terms are near 5 million; 24 bits end before that."),
            ("by some thousandths of a nat", "z²/(2σ²) is 500,000: its last bit is worth more."),
            (
                "by more than a hundredth of a nat",
                "Terms in the millions cancel, and what is left is their rounding. Centre first.",
            ),
        ),
        _error_when_shifted,
    ),
    Question(
        "A 32-bit search returns 18 candidates. In 64 bits the tenth best of them has −3.0 nats; "
        "the worst of the 18 had −3.5 in 32 bits, and no score is off by more than 0.01. Are the "
        "ten best exact?",
        (
            ("yes, this proves it", "Whatever is outside has at most −3.49: less than −3.0."),
            ("probably, but nobody knows", "The gap is larger than any error: that is a proof."),
            ("no: 32 bits are never exact", "They need not be, if the error is known."),
        ),
        _what_the_gap_proves,
    ),
)

QUIZZES = {
    1: CHAPTER_01,
    2: CHAPTER_02,
    3: CHAPTER_03,
    4: CHAPTER_04,
    5: CHAPTER_05,
    6: CHAPTER_06,
}
