"""The exercises of notebook 02: the ELBO, dead dimensions, and the training step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.distributions import Bernoulli, Normal

from vae_course.exercises.answers import as_numbers
from vae_course.exercises.cases import normal, numbers, pick, uniform
from vae_course.exercises.chapter_01 import true_kl
from vae_course.exercises.exercise import Case, Exercise, Mistake

DEAD = 0.5  # nats per image
LIMITS = (0.3, 0.4, 0.6, 0.7, 0.8, 0.9)  # of the variants

# --- 2.1 ------------------------------------------------------------------------------------------


def true_elbo(log_prob: Tensor, kl: Tensor) -> Tensor:
    """Return the mean over the images of the ELBO of each image, in nats."""
    per_image = [image.sum() - terms.sum() for image, terms in zip(log_prob, kl, strict=True)]
    return torch.stack(per_image).mean()


def elbo_cases(generator: Generator) -> list[Case]:
    """Return two images with round numbers, and draw random ones."""
    even = torch.full((2, 1, 28, 28), -0.25, dtype=torch.float64)
    cases = [Case("the example", (even, numbers([1.0, 2.0], [3.0, 4.0])))]
    for images, d in ((5, 10), (3, 2)):
        log_prob = -uniform(generator, images, 1, 28, 28)
        kl = 3 * uniform(generator, images, d)
        cases.append(Case("a batch", (log_prob, kl)))
    return cases


def _per_image(log_prob: Tensor, kl: Tensor) -> Tensor:
    return log_prob.sum(dim=(1, 2, 3)) - kl.sum(1)


ELBO = Exercise(
    id="2.1",
    title="the ELBO, from its terms",
    ask=(
        "A decoder has given every pixel its log probability, `log_prob` [B, 1, 28, 28]; the KL of "
        "each dimension is `kl` [B, d]. Return the ELBO of the batch as one number, in nats per "
        "image. Mind where you sum and where you average."
    ),
    stub="def my_elbo(log_prob, kl):\n    return ...",
    name="my_elbo",
    oracle=true_elbo,
    verified="The sums within images and the mean over images are right for 2, 3 and 5 images.",
    parameters=("log_prob", "kl"),
    cases=elbo_cases,
    mistakes=(
        Mistake(
            lambda log_prob, kl: (log_prob.mean(dim=(1, 2, 3)) - kl.sum(1)).mean(),
            "a mean over the pixels",
            "PyTorch's losses do this by default. Which of the two terms is now too small?",
        ),
        Mistake(
            lambda log_prob, kl: log_prob.mean() - kl.mean(),
            "a mean over everything, pixels and dimensions",
            "Both terms are sums within one image. Average only over the images.",
        ),
        Mistake(
            lambda log_prob, kl: log_prob.sum(dim=(1, 2, 3)).mean() - kl.mean(),
            "a mean over the dimensions of the KL",
            "The KLs of the dimensions add up, as notebook 01 showed.",
        ),
        Mistake(
            lambda log_prob, kl: _per_image(log_prob, kl).sum(),
            "a sum over the images",
            "Nats *per image* do not grow with the batch.",
        ),
        Mistake(
            lambda log_prob, kl: log_prob.sum() / len(kl) - kl.sum(),
            "a KL that is summed over the images",
            "The reconstruction is averaged over the images, and so must be the KL.",
        ),
        Mistake(
            lambda log_prob, kl: (log_prob.sum(dim=(1, 2, 3)) + kl.sum(1)).mean(),
            "a KL that is added",
            "Should a larger KL make the bound larger?",
        ),
        Mistake(
            lambda log_prob, kl: (-log_prob.sum(dim=(1, 2, 3)) - kl.sum(1)).mean(),
            "a reconstruction with its sign swapped",
            "A log probability is negative already. Should a better picture make the ELBO smaller?",
        ),
        Mistake(
            lambda log_prob, kl: -_per_image(log_prob, kl).mean(),
            "the loss, −ELBO",
            "Which of the two do we want to be large?",
        ),
        Mistake(
            lambda log_prob, kl: log_prob.sum(dim=(1, 2, 3)).mean(),
            "the reconstruction alone",
            "The ELBO has a second term.",
        ),
        Mistake(
            _per_image,
            "one number for each image",
            "All of it is right but the last step, from the images to one number.",
        ),
    ),
)

# --- 2.2 ------------------------------------------------------------------------------------------


def true_dead(kl: Tensor, losses: Tensor, limit: float) -> Tensor:
    """Return for each dimension whether shuffling it costs less than the limit."""
    return torch.tensor([float(loss) < limit for loss in losses])


def dead_cases(generator: Generator, limit: float) -> list[Case]:
    """Draw every combination of a small or large KL with a small or large loss."""
    cases = [
        Case(
            "the example",
            (limit * numbers(1.0, 6.0, 1.04, 0.2), limit * numbers(0.0, 80.0, 4.0, 0.2)),
        )
    ]
    for _ in range(2):
        small_kl = torch.tensor([True, True, True, False, False, False, False, True])
        dead = torch.tensor([True, True, False, True, True, False, False, False])
        order = torch.randperm(8, generator=generator)
        size = uniform(generator, 2, 8)
        kl = limit * torch.where(small_kl, 0.8 * size[0], 1.2 + 8 * size[0])
        losses = limit * torch.where(dead, 0.8 * size[1], 1.2 + 60 * size[1])
        losses[0], losses[2] = 0.95 * limit, 1.05 * limit  # so that no other limit fits
        cases.append(Case("eight dimensions", (kl[order], losses[order])))
    return cases


def dead_variant(generator: Generator) -> Exercise:
    """Draw the exercise with another limit."""
    limit = pick(generator, *LIMITS)
    return dead_dimensions(limit, f"{limit:g} nats")


def dead_dimensions(limit: float = DEAD, said: str = "half a nat") -> Exercise:
    """Return the exercise for a limit in nats, which the free bits equal."""
    return Exercise(
        id="2.2",
        title="which sliders are dead?",
        ask=(
            f"A model was trained with free bits of {limit:g} nats. For each dimension you have "
            "the KL, `kl` [d], and by how many nats per image −ELBO rises when that dimension is "
            "shuffled among the images, `losses` [d]. Return a list of `True` and `False` [d]: "
            "`True` where the slider is dead. "
            f"The limit is {said}. Choose yourself which of the two numbers to compare with it."
        ),
        stub="def my_dead(kl, losses):\n    return ...",
        name="my_dead",
        oracle=lambda kl, losses: true_dead(kl, losses, limit),
        verified=("It finds the sliders that the decoder ignores, whatever their KL is."),
        parameters=("kl", "losses"),
        cases=lambda generator: dead_cases(generator, limit),
        vary=dead_variant,
        mistakes=(
            Mistake(
                lambda kl, losses: kl < limit,
                "an answer from the KL alone",
                f"Free bits give {said} away. Does a larger KL prove that the decoder uses it?",
            ),
            Mistake(
                lambda kl, losses: kl <= limit,
                "an answer from the KL alone, the limit included",
                f"The free bits leave a KL of {limit:g} to sliders that do something and to some "
                "that do nothing. Which of the two numbers tells these apart?",
            ),
            Mistake(
                lambda kl, losses: (kl <= limit) & (losses < limit),
                "a slider that has to be small in both, the limit included",
                "Can a dimension have a large KL while the decoder ignores it?",
            ),
            Mistake(
                lambda kl, losses: (kl < limit) & (losses < limit),
                "a slider that has to be small in both, KL and loss, to be dead",
                "A dimension can have a large KL for something that the decoder never uses.",
            ),
            Mistake(
                lambda kl, losses: (kl < limit) | (losses < limit),
                "a slider that is dead if either number is small",
                "A dimension with little KL may still be used.",
            ),
            Mistake(
                lambda kl, losses: kl <= 1.2 * limit,
                "a KL that is compared with the free bits, give or take a little",
                "The clamp holds the KL there. Which of the two numbers involves the decoder?",
            ),
            Mistake(
                lambda kl, losses: losses >= limit,
                "the sliders in use instead of the dead ones",
                f"If the loss rises by {80 * limit:g} nats, does the decoder use the dimension?",
            ),
            Mistake(
                lambda kl, losses: (losses < limit).nonzero().flatten(),
                "the numbers of the dead dimensions",
                "You found them. Return True or False for every dimension.",
            ),
            Mistake(
                lambda kl, losses: (losses < limit).sum(),
                "how many are dead",
                "You counted them. Return True or False for every dimension.",
            ),
            Mistake(
                lambda kl, losses: losses < kl,
                "a loss that is compared with the dimension's own KL",
                "That asks whether a dimension is worth its KL. A dead one is a dimension that "
                "the decoder ignores.",
            ),
        ),
    )


DEAD_DIMENSIONS = dead_dimensions()

# --- 2.3 ------------------------------------------------------------------------------------------


class SmallVAE(torch.nn.Module):
    """A linear VAE with two latent dimensions for black and white pictures of four pixels."""

    def __init__(self, encoder: Tensor, decoder: Tensor):
        super().__init__()
        self.encoder, self.decoder = torch.nn.Parameter(encoder), torch.nn.Parameter(decoder)

    def encode(self, x: Tensor) -> Normal:
        """Return q(z|x)."""
        mean, log_std = (x.flatten(start_dim=1) @ self.encoder).chunk(2, dim=1)
        return Normal(mean, log_std.exp())

    def likelihood(self, z: Tensor) -> Bernoulli:
        """Return p(x|z)."""
        return Bernoulli(logits=(z @ self.decoder).view(-1, 1, 2, 2))


def after_three_steps(
    step: Callable[..., Any], encoder: Tensor, decoder: Tensor, x: Tensor, eps: Tensor
) -> np.ndarray:
    """Return the three losses and the weights after three steps, each on a batch of its own."""
    vae = SmallVAE(encoder, decoder)
    optimizer = torch.optim.SGD(vae.parameters(), lr=0.05)
    with torch.enable_grad():
        losses = [as_numbers(step(vae, optimizer, *batch)) for batch in zip(x, eps, strict=True)]
    return np.concatenate(
        [np.ravel(each) for each in (*losses, *map(as_numbers, vae.parameters()))]
    )


def step_cases(generator: Generator) -> list[Case]:
    """Three batches of six pictures, with random weights and noise.

    The encoder's weights lie in [−0.4, 0.4], so that σ is at most e^1.6. With wider ones the
    training diverged for about one seed in 1,700.
    """
    x = (uniform(generator, 3, 6, 1, 2, 2) > 0.5).double()
    weights = 0.8 * uniform(generator, 4, 4) - 0.4, normal(generator, 2, 4)
    return [Case("the example", (*weights, x, normal(generator, 3, 6, 2)))]


def _loss(vae: SmallVAE, x: Tensor, eps: Tensor) -> Tensor:
    q = vae.encode(x)
    return _kl(q) - _log_prob(vae, x, q.mean + q.stddev * eps)


def _kl(q: Normal) -> Tensor:
    return true_kl(q.mean, q.stddev)


def _log_prob(vae: SmallVAE, x: Tensor, z: Tensor) -> Tensor:
    return vae.likelihood(z).log_prob(x).sum(dim=(1, 2, 3))


def step_by(loss: Callable[..., Tensor] = _loss, without: str = "") -> Callable[..., Tensor]:
    """Return a training step for a loss of each image, perhaps without one of its parts."""

    def step(vae: SmallVAE, optimizer: torch.optim.Optimizer, x: Tensor, eps: Tensor) -> Tensor:
        value = loss(vae, x, eps).mean()
        if without != "zero_grad":
            optimizer.zero_grad()
        value.backward()
        if without != "step":
            optimizer.step()
        return value

    return step


def _loss_at(z: Callable[[Normal, Tensor], Tensor]) -> Callable[..., Tensor]:
    """Return the loss with another draw of z."""

    def loss(vae: SmallVAE, x: Tensor, eps: Tensor) -> Tensor:
        q = vae.encode(x)
        return _kl(q) - _log_prob(vae, x, z(q, eps))

    return loss


STEP = Exercise(
    id="2.3",
    title="the training step",
    ask=(
        "Write one step of training. `vae` has `encode(x)`, which returns q(z|x) as a `Normal`, "
        "and `likelihood(z)`, which returns p(x|z). `x` is a batch of images [B, 1, H, W], and "
        "`eps` [B, d] holds noise from N(0, 1) for the draw of z. Change the weights once through "
        "`optimizer`, and return −ELBO in nats per image, as it was before the step."
    ),
    stub="def my_step(vae, optimizer, x, eps):\n    return ...",
    name="my_step",
    oracle=step_by(),
    use=after_three_steps,
    verified="After three steps of a small VAE, all losses and weights agree with those of ours.",
    parameters=("vae", "optimizer", "x", "eps"),
    cases=step_cases,
    hints=(
        "Four things happen in a step: the loss is computed, old gradients are removed, new ones "
        "are computed, and the optimizer changes the weights.",
        "For the loss, encode x, draw z = μ + σ ⊙ ε with the given `eps`, and ask `likelihood(z)` "
        "for the log probability of x. You wrote the other term in exercise 1.3.",
        "Sum the log probability over the pixels and the KL over the dimensions. Then average over "
        "the images.",
        "The last lines are `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()` and "
        "`return loss`.",
    ),
    mistakes=(
        Mistake(
            step_by(without="zero_grad"),
            "a step that adds to the gradients of the steps before it",
            "PyTorch adds each new gradient to the old one. What removes the old one?",
        ),
        Mistake(
            step_by(without="step"),
            "a step that computes gradients but leaves the weights as they are",
            "Which call lets the optimizer change the weights?",
        ),
        Mistake(
            step_by(lambda *batch: -_loss(*batch)),
            "a step that makes the ELBO smaller",
            "An optimizer makes its loss smaller. Which sign should the ELBO have in it?",
        ),
        Mistake(
            step_by(lambda vae, x, eps: _loss(vae, x, eps) - _kl(vae.encode(x))),
            "a loss without the KL",
            "The ELBO has two terms, and the encoder needs both.",
        ),
        Mistake(
            step_by(lambda vae, x, eps: _loss(vae, x, eps) - 2 * _kl(vae.encode(x))),
            "a loss with the wrong sign before the KL",
            "A larger KL should make the loss larger.",
        ),
        Mistake(
            step_by(
                lambda vae, x, eps: (
                    (_loss(vae, x, eps) - _kl(vae.encode(x))) / x[0].numel() + _kl(vae.encode(x))
                )
            ),
            "a mean over the pixels where a sum belongs",
            "Which of the two terms is now too small, compared with the other?",
        ),
        Mistake(
            step_by(lambda vae, x, eps: len(x) * _loss(vae, x, eps)),
            "a sum over the images",
            "The loss is asked for in nats per image.",
        ),
        Mistake(
            step_by(_loss_at(lambda q, eps: q.mean)),
            "a step without noise, with z = μ",
            "Use `eps`. Without it nothing stops the encoder from making σ as small as it likes.",
        ),
        Mistake(
            step_by(_loss_at(lambda q, eps: q.mean + q.variance * eps)),
            "a draw scaled by the variance",
            "In z = μ + σ ⊙ ε, the noise is multiplied by the standard deviation.",
        ),
        Mistake(
            step_by(_loss_at(lambda q, eps: (q.mean + q.stddev * eps).detach())),
            "a z that no gradient passes through",
            "The encoder must learn from the reconstruction as well. Compute z with gradients.",
        ),
    ),
)

EXERCISES = (ELBO, DEAD_DIMENSIONS, STEP)
