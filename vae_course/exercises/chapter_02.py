"""The exercises of notebook 02: sums, means, and sliders that do nothing."""

import torch
from torch import Generator, Tensor

from vae_course.exercises.chapter_01 import numbers, pick
from vae_course.exercises.checking import Case, Exercise, Mistake

DEAD = 0.5  # nats per image
LIMITS = (0.3, 0.4, 0.6, 0.7, 0.8, 0.9)  # of the variants

# --- 2.1 ------------------------------------------------------------------------------------------


def true_elbo(log_prob: Tensor, kl: Tensor) -> Tensor:
    """Return the ELBO in nats per image: one number for each image first, then their mean."""
    per_image = [image.sum() - terms.sum() for image, terms in zip(log_prob, kl, strict=True)]
    return torch.stack(per_image).mean()


def elbo_cases(generator: Generator) -> list[Case]:
    """Two images with round numbers, then random ones."""
    even = torch.full((2, 1, 28, 28), -0.25, dtype=torch.float64)
    cases = [Case("the example", (even, numbers([1.0, 2.0], [3.0, 4.0])))]
    for images, d in ((5, 10), (3, 2)):
        log_prob = -torch.rand(images, 1, 28, 28, generator=generator, dtype=torch.float64)
        kl = 3 * torch.rand(images, d, generator=generator, dtype=torch.float64)
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
    verified="Summed within each image, averaged over the images, for 2, 3 and 5 images.",
    parameters=("log_prob", "kl"),
    cases=elbo_cases,
    mistakes=(
        Mistake(
            lambda log_prob, kl: (log_prob.mean(dim=(1, 2, 3)) - kl.sum(1)).mean(),
            "a mean over the pixels",
            "This is the mistake that everybody makes once: which of the two terms has shrunk?",
        ),
        Mistake(
            lambda log_prob, kl: log_prob.mean() - kl.mean(),
            "a mean over everything, pixels and dimensions",
            "Both terms are sums within one image. The mean is over images alone.",
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
            "The reconstruction is averaged over the images. The KL has to be, too.",
        ),
        Mistake(
            lambda log_prob, kl: (log_prob.sum(dim=(1, 2, 3)) + kl.sum(1)).mean(),
            "a KL that is added",
            "The KL is a price. Does paying it make the bound larger?",
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
    """Return which dimensions cost less than the limit when they are shuffled."""
    return torch.tensor([float(loss) < limit for loss in losses])


def dead_cases(generator: Generator, limit: float) -> list[Case]:
    """Every mixture of small and large KL and loss; free bits keep many KL at the limit."""
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
        size = torch.rand(2, 8, generator=generator, dtype=torch.float64)
        kl = limit * torch.where(small_kl, 0.8 * size[0], 1.2 + 8 * size[0])
        losses = limit * torch.where(dead, 0.8 * size[1], 1.2 + 60 * size[1])
        losses[0], losses[2] = 0.95 * limit, 1.05 * limit  # no other limit will do
        cases.append(Case("eight dimensions", (kl[order], losses[order])))
    return cases


def dead_variant(generator: Generator) -> Exercise:
    """Draw another limit."""
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
            f"The limit is {said}; the choice of the evidence is yours."
        ),
        stub="def my_dead(kl, losses):\n    return ...",
        name="my_dead",
        oracle=lambda kl, losses: true_dead(kl, losses, limit),
        verified=(
            "It finds the sliders that the decoder ignores, whatever KL the free bits give them."
        ),
        parameters=("kl", "losses"),
        cases=lambda generator: dead_cases(generator, limit),
        vary=dead_variant,
        mistakes=(
            Mistake(
                lambda kl, losses: kl < limit,
                "an answer from the KL alone",
                f"Free bits give {said} away. Does a KL above that prove that anybody listens?",
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
                "Can a dimension pay for a large KL, and the decoder ignore it all the same?",
            ),
            Mistake(
                lambda kl, losses: (kl < limit) & (losses < limit),
                "a slider that has to be small in both, KL and loss, to be dead",
                "A dimension can pay KL for something that the decoder never uses.",
            ),
            Mistake(
                lambda kl, losses: (kl < limit) | (losses < limit),
                "a slider that is dead if either number is small",
                "A dimension with little KL may still be used.",
            ),
            Mistake(
                lambda kl, losses: kl <= 1.2 * limit,
                "a KL that is compared with the free bits, give or take a little",
                "The clamp makes the KL what it is. Which of the two numbers asks the decoder?",
            ),
            Mistake(
                lambda kl, losses: losses >= limit,
                "the living instead of the dead",
                f"A loss that rises by {80 * limit:g} nats: is somebody listening?",
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
                "That asks whether a dimension pays off. Dead means that the decoder does not "
                "listen.",
            ),
        ),
    )


DEAD_DIMENSIONS = dead_dimensions()

EXERCISES = (ELBO, DEAD_DIMENSIONS)
