"""What notebook 05 claims of the shipped models, with margins, on both data sets."""

import pytest

from vae_lib import PosteriorIndex, encode_dataset, load_images, load_pretrained
from vae_lib.evaluation import Wardrobe, evaluate
from vae_lib.fashion_mnist import FetchError

RULES = ["euclidean", "scaled-euclidean", "mahalanobis", "likelihood", "gate", "shortened"]
RULES += ["likelihood, round trip", "five round trips"]


@pytest.fixture(scope="module", params=["fashion-mnist", "drawn"])
def result(request):
    try:
        images = load_images(request.param)
    except FetchError as error:
        pytest.skip(str(error))
    vae = load_pretrained(images.name, latent_dim=10)
    index = PosteriorIndex(encode_dataset(vae, images.train_images))
    return evaluate(Wardrobe(vae, index, images), 1000, rules=RULES, progress=False)


def recall(result, rule):
    return result["posterior", rule, "recall@1"]


def far(result, rule):
    return result["uniform 5", rule, "pixel distance"]


def test_the_likelihood_finds_its_garment_far_more_often_than_euclidean_distance(result):
    assert recall(result, "likelihood").value >= 1.7 * recall(result, "euclidean").value


def test_most_of_the_gain_is_the_scale_of_each_dimension(result):
    steps = [recall(result, rule).value for rule in RULES[:4]]
    assert steps[1] - steps[0] > 0.55 * (steps[3] - steps[0])
    assert abs(steps[3] - steps[2]) < 0.02  # Σ log σ


def test_far_away_the_gate_halves_the_pixel_distance(result):
    assert far(result, "gate").value <= 0.5 * far(result, "likelihood").value


@pytest.mark.parametrize("other", ["likelihood", "euclidean"])
def test_far_away_scaled_euclidean_is_better(result, other):
    assert result.lead("uniform 5", "scaled-euclidean", other, "pixel distance").high < 0


def test_nearby_the_gate_costs_nothing(result):
    assert abs(recall(result, "gate").value - recall(result, "likelihood").value) <= 0.02
    # posterior z are familiar by construction; those of garments never seen need not be
    lead = result.lead("held-out", "gate", "likelihood", "same class")
    assert abs(lead.value) <= 0.02
    assert 0.8 < result["held-out", "gate", "familiar"].value < 0.999


def test_the_other_remedies_cost_recall_nearby(result):
    for rule in ("shortened", "likelihood, round trip", "five round trips"):
        assert result.lead("posterior", rule, "likelihood", "recall@1").high < -0.02
    assert far(result, "five round trips").low > far(result, "likelihood, round trip").value


def test_far_away_a_few_hubs_answer_and_the_softmax_is_overconfident(result):
    shares = [result["uniform 5", rule, "share of ten"].value for rule in ("likelihood", "gate")]
    assert shares[0] > 2 * shares[1]
    assert result["uniform 5", "likelihood", "probability@1"].value > 0.9
    assert result["uniform 5", "gate", "familiar"].value < 0.02
