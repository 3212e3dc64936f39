"""The mutants of `course.py mutations`: mistakes that people make, each with tests that notice it.

A mutant that survives needs a test, never another mutant in its place.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change: `old`, which stands in `file` exactly once, becomes `new`; `tests` have to fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutant(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """Return a mutant; tests are named by file and function in tests/, or by their notebook."""
    folders = ("notebooks/" if test.endswith(".ipynb") else "tests/" for test in tests)
    paths = tuple(folder + test for folder, test in zip(folders, tests, strict=True))
    return Mutant(name, file, old, new, paths)


MODEL = [
    mutant(
        "variance-for-std",
        "vae_lib/model.py",
        "torch.exp(0.5 * log_variance)",
        "torch.exp(log_variance)",
        "test_weights.py::test_weights_for_drawn_garments_reach_what_their_json_says",
    ),
    mutant(
        "activation-after-the-last-layer",
        "vae_lib/model.py",
        "nn.Sequential(*layers[:-1])",
        "nn.Sequential(*layers)",
        "test_weights.py::test_weights_for_drawn_garments_reach_what_their_json_says",
    ),
    mutant(
        "grey-of-256",
        "vae_lib/data.py",
        "return x.float() / 255",
        "return x.float() / 256",
        "test_data.py::test_as_unit_interval",
    ),
]

OBJECTIVE = [
    mutant(
        "kl-without-half",
        "vae_lib/objective.py",
        "0.5 * (q.mean**2 + q.variance - 1) - q.stddev.log()",
        "q.mean**2 + q.variance - 1 - 2 * q.stddev.log()",
        "test_objective.py::test_kl_agrees_with_torch_and_is_never_negative",
    ),
    mutant(
        "kl-with-std-for-log-std",
        "vae_lib/objective.py",
        "- q.stddev.log()",
        "- q.stddev",
        "test_objective.py::test_kl_agrees_with_numerical_integration",
    ),
    mutant(
        "mean-over-pixels",
        "vae_lib/objective.py",
        "log_prob.flatten(start_dim=1).sum(dim=1)",
        "log_prob.flatten(start_dim=1).mean(dim=1)",
        "test_objective.py::test_elbo_terms_equal_sums_written_out",
    ),
    mutant(
        "kl-added",
        "vae_lib/objective.py",
        "ElboTerms(reconstruction - kl,",
        "ElboTerms(reconstruction + kl,",
        "test_objective.py::test_elbo_terms_equal_sums_written_out",
    ),
    mutant(
        "sample-with-variance",
        "vae_lib/objective.py",
        "z = q.mean + q.stddev * eps",
        "z = q.mean + q.variance * eps",
        "test_objective.py::test_elbo_terms_equal_sums_written_out",
    ),
    mutant(
        "no-gradient-through-the-sample",
        "vae_lib/objective.py",
        "z = q.mean + q.stddev * eps",
        "z = (q.mean + q.stddev * eps).detach() + 0 * q.mean",
        "test_objective.py::test_gradients_pass_through_the_sample",
    ),
    mutant(
        "bound-over-the-wrong-axis",
        "vae_lib/objective.py",
        "torch.logsumexp(torch.stack(log_weights), dim=0)",
        "torch.logsumexp(torch.stack(log_weights), dim=1)",
        "test_objective.py::test_bounds_of_a_linear_gaussian_model_are_ordered_and_reach_log_p",
    ),
    mutant(
        "bound-not-averaged",
        "vae_lib/objective.py",
        ", dim=0) - math.log(samples)",
        ", dim=0)",
        "test_objective.py::test_bounds_of_a_linear_gaussian_model_are_ordered_and_reach_log_p",
    ),
    mutant(
        "gap-without-half",
        "vae_lib/linear_gaussian.py",
        "return 0.5 * (self.precision.diagonal()",
        "return (self.precision.diagonal()",
        "test_linear_gaussian.py::test_gap_is_the_divergence_of_q_from_the_posterior",
    ),
]

TRAINING = [
    mutant(
        "validation-is-trained-on",
        "vae_lib/training.py",
        "return images[~held_out], images[held_out]",
        "return images, images[held_out]",
        "test_training.py::test_every_image_is_trained_on_or_held_out",
    ),
    mutant(
        "last-batch-of-an-epoch-dropped",
        "vae_lib/training.py",
        "batches = order.split(settings.batch_size)",
        "batches = order.split(settings.batch_size)[: max(1, len(order) // settings.batch_size)]",
        "test_training.py::test_every_epoch_takes_every_image_once_in_another_order",
    ),
    mutant(
        "last-batch-of-an-average-dropped",
        "vae_lib/training.py",
        "for batch in images.split(batch_size):",
        "for batch in images.split(batch_size)[: max(1, len(images) // batch_size)]:",
        "test_training.py::test_mean_terms_does_not_depend_on_the_batch_size_and_drops_no_image",
    ),
    mutant(
        "no-warm-up",
        "vae_lib/training.py",
        "settings.learning_rate * min(1, (step + 1) / WARM_UP) * (",
        "settings.learning_rate * (",
        "test_training.py::test_the_learning_rate_rises_linearly_and_falls_to_a_hundredth",
    ),
    mutant(
        "learning-rate-that-does-not-fall",
        "vae_lib/training.py",
        "(0.01 + 0.99 * cosine)",
        "1.0",
        "test_training.py::test_the_learning_rate_rises_linearly_and_falls_to_a_hundredth",
    ),
    mutant(
        "beta-ignored",
        "vae_lib/training.py",
        "loss = settings.beta * kl -",
        "loss = kl -",
        "test_training.py::test_the_loss_is_the_one_that_fit_promises",
    ),
    mutant(
        "free-bits-from-above",
        "vae_lib/training.py",
        ".clamp(min=settings.free_bits)",
        ".clamp(max=settings.free_bits)",
        "test_training.py::test_the_loss_is_the_one_that_fit_promises",
    ),
    mutant(
        "free-bits-over-the-wrong-axis",
        "vae_lib/training.py",
        "terms.kl_per_dimension.mean(dim=0).clamp",
        "terms.kl_per_dimension.mean(dim=1).clamp",
        "test_training.py::test_the_loss_is_the_one_that_fit_promises",
    ),
    mutant(
        "every-epoch-in-the-same-order",
        "vae_lib/training.py",
        "settings.seed * 1_000_003 + epoch",
        "settings.seed * 1_000_003",
        "test_training.py::test_every_epoch_takes_every_image_once_in_another_order",
    ),
    mutant(
        "checkpoint-before-its-epoch",
        "vae_lib/training.py",
        "            history.train.append(trained)\n",
        "            if checkpoint is not None:\n"
        "                _save_checkpoint(checkpoint, vae, optimizer, settings, history)\n"
        "                checkpoint = None if epoch else checkpoint\n"
        "            history.train.append(trained)\n",
        "test_training.py::test_a_resumed_run_equals_an_uninterrupted_one",
    ),
    mutant(
        "checkpoint-without-the-optimizer",
        "vae_lib/training.py",
        'optimizer.load_state_dict(optimizer.state_dict() | {"state": adam})',
        "pass",
        "test_training.py::test_a_resumed_run_equals_an_uninterrupted_one",
    ),
    mutant(
        "nothing-permuted",
        "vae_lib/training.py",
        "z[order.roll(1), j]",
        "z[order, j]",
        "test_training.py::test_permutation_loss_finds_the_dead_dimension",
    ),
]

POSTERIORS = [
    mutant(
        "sampled-mean",
        "vae_lib/posteriors.py",
        "means.append(q.mean.cpu())",
        "means.append(q.sample().cpu())",
        "test_weights.py::test_encode_dataset_is_the_encoder_chunk_by_chunk_and_takes_batches",
    ),
    mutant(
        "last-chunk-not-encoded",
        "vae_lib/posteriors.py",
        "for chunk in batch.split(CHUNK) if",
        "for chunk in batch.split(CHUNK)[: max(1, len(batch) // CHUNK)] if",
        "test_weights.py::test_encode_dataset_is_the_encoder_chunk_by_chunk_and_takes_batches",
    ),
    mutant(
        "std-for-log-std",
        "vae_lib/posteriors.py",
        "part.double().log().sum(dim=1)",
        "part.double().sum(dim=1)",
        "test_retrieval.py::test_log_prob_equals_torch",
    ),
    mutant(
        "log-std-dropped",
        "vae_lib/posteriors.py",
        "return -0.5 * self.mahalanobis2(z) - self.log_normalizer",
        "return -0.5 * self.mahalanobis2(z)",
        "test_retrieval.py::test_log_prob_equals_torch",
    ),
    mutant(
        "draw-with-variance",
        "vae_lib/posteriors.py",
        "self.mean + self.std * eps",
        "self.mean + self.std.square() * eps",
        "test_weights.py::test_posteriors_sample_and_round_off",
    ),
    mutant(
        "std-of-zero-taken",
        "vae_lib/posteriors.py",
        "(self.std > 0)",
        "(self.std >= 0)",
        "test_retrieval.py::test_bad_posteriors_are_named",
    ),
]

LIFTED = [
    mutant(
        "lift-not-centred",
        "vae_lib/lifted.py",
        "mean.mean(dim=0, dtype=torch.float64).clamp(",
        "(0 * mean.mean(dim=0, dtype=torch.float64)).clamp(",
        "test_retrieval.py::test_a_shift_of_the_latent_space_costs_no_second_look",
    ),
    mutant(
        "no-allowance-for-rounding",
        "vae_lib/lifted.py",
        "slope = 2 * self.gamma",
        "slope = 0 * self.gamma",
        "test_retrieval.py::test_no_computed_score_is_lower_than_the_bound_allows",
    ),
    mutant(
        "own-allowance-dropped",
        "vae_lib/lifted.py",
        "(4 * self.gamma - 0.5)",
        "(-0.5)",
        "test_retrieval.py::test_no_computed_score_is_lower_than_the_bound_allows",
    ),
    mutant(
        "offset-left-out",
        "vae_lib/lifted.py",
        "return 0.5 * ((z - self.centre) / self.shared_scale).square().sum(dim=1)",
        "return z.new_zeros(len(z))",
        "test_retrieval.py::test_computed_scores_less_the_offset_are_nearly_the_exact_ones",
    ),
    mutant(
        "padding-over-the-last-garment",
        "vae_lib/lifted.py",
        "lifted[part >= self.count, 0] = -torch.inf",
        "lifted[part >= self.count - 1, 0] = -torch.inf",
        "test_retrieval.py::test_search_equals_scipy",
    ),
    mutant(
        "box-too-small",
        "vae_lib/lifted.py",
        "low, high = grouped.aminmax(dim=2)",
        "low = high = grouped.mean(dim=2)",
        "test_retrieval.py::test_no_garment_exceeds_the_bound_of_its_box",
    ),
    mutant(
        "product-in-lower-precision",
        "vae_lib/lifted.py",
        "with torch.autocast(device.type, enabled=False):",
        "with torch.autocast(device.type, enabled=True):",
        "test_retrieval.py::test_the_product_is_full_float32_whatever_the_user_allows",
    ),
]

RETRIEVAL = [
    mutant(
        "log-std-dropped-from-the-ranking",
        "vae_lib/retrieval.py",
        "squared.mul_(-0.5).sub_(self.posteriors.log_normalizer[garments])",
        "squared.mul_(-0.5)",
        "test_retrieval.py::test_two_garments_by_hand",
    ),
    mutant(
        "sorted-the-wrong-way",
        "vae_lib/retrieval.py",
        "descending=RULES[rule]",
        "descending=not RULES[rule]",
        "test_retrieval.py::test_two_garments_by_hand",
    ),
    mutant(
        "off-by-one-in-top-k",
        "vae_lib/retrieval.py",
        "candidates.gather(1, order[:, :k]), scores[:, :k]",
        "candidates.gather(1, order[:, 1 : k + 1]), scores[:, 1 : k + 1]",
        "test_retrieval.py::test_search_equals_scipy",
    ),
    mutant(
        "euclidean-is-scaled",
        "vae_lib/retrieval.py",
        "return torch.ones_like(self.rms_std)",
        "return self.rms_std",
        "test_retrieval.py::test_search_equals_scipy",
    ),
    mutant(
        "mahalanobis-with-one-scale",
        "vae_lib/retrieval.py",
        'return self.rms_std if rule == "scaled-euclidean" else self.posteriors.std',
        'return self.posteriors.std if rule == "likelihood" else self.rms_std',
        "test_retrieval.py::test_search_equals_scipy",
    ),
    mutant(
        "mean-square-without-root",
        "vae_lib/retrieval.py",
        "(torch.stack(squares).sum(dim=0) / len(self)).sqrt()",
        "torch.stack(squares).sum(dim=0) / len(self)",
        "test_retrieval.py::test_search_equals_scipy",
    ),
    mutant(
        "ties-the-other-way",
        "vae_lib/retrieval.py",
        "candidates = candidates.sort(dim=1).values",
        "candidates = candidates.sort(dim=1, descending=True).values",
        "test_retrieval.py::test_ties_go_to_the_lower_index",
    ),
    mutant(
        "candidates-never-certified",
        "vae_lib/retrieval.py",
        "enumerate((left_out >= needed).tolist())",
        "enumerate((left_out > torch.inf).tolist())",
        "test_retrieval.py::test_numbers_beyond_float32_are_scored_in_float64",
        "test_retrieval.py::test_search_is_exact",
    ),
    mutant(
        "softmax-over-the-answer-alone",
        "vae_lib/retrieval.py",
        "return (self.scores - self._log_normalizer()).exp()",
        "return self.scores.softmax(dim=-1)",
        "test_retrieval.py::test_probabilities_are_a_softmax_over_all_garments",
    ),
    mutant(
        "much-left-out-of-the-sum",
        "vae_lib/retrieval.py",
        "NEGLIGIBLE = 30.0",
        "NEGLIGIBLE = -6.0",
        "test_retrieval.py::test_what_is_left_out_of_the_sum_is_negligible",
    ),
    mutant(
        "k-beyond-the-garments",
        "vae_lib/retrieval.py",
        "if not 1 <= k <= len(self):",
        "if not 1 <= k <= len(self) + 1:",
        "test_retrieval.py::test_bad_arguments_are_named",
    ),
    mutant(
        "sampled-round-trip",
        "vae_lib/retrieval.py",
        "return vae.encode(vae.decode(queries)).mean",
        "return vae.encode(vae.decode(queries)).sample()",
        "test_retrieval.py::test_roundtrip_is_the_mean_of_the_encoded_picture",
    ),
    mutant(
        "gate-inverted",
        "vae_lib/retrieval.py",
        "torch.where(familiar[:, None], queries, returned)",
        "torch.where(familiar[:, None], returned, queries)",
        "test_retrieval.py::test_gated_search_takes_the_round_trip_only_for_unfamiliar_z",
    ),
    mutant(
        "gate-at-another-quantile",
        "vae_lib/retrieval.py",
        "FAMILIAR = 0.999",
        "FAMILIAR = 0.99",
        "test_retrieval.py::test_the_gate_turns_at_the_quantile",
    ),
    mutant(
        "gate-at-the-distance-not-squared",
        "vae_lib/retrieval.py",
        'rule="mahalanobis").scores.square()',
        'rule="mahalanobis").scores',
        "test_retrieval.py::test_the_gate_turns_at_the_quantile",
    ),
]

ENGINES = [
    mutant(
        "cell-with-mean-std",
        "vae_lib/engines/faiss_index.py",
        "variance = total.index_add(0, cell_of, posteriors.std.cpu().double().square()) / count",
        "variance = (total.index_add(0, cell_of, posteriors.std.cpu().double()) / count).square()",
        "test_engines.py::test_the_average_gaussian_of_a_cell",
    ),
    mutant(
        "too-few-found-and-not-said",
        "vae_lib/engines/faiss_index.py",
        "too_few = (candidates < 0).any(dim=1)",
        "too_few = (candidates < 0).all(dim=1)",
        "test_engines.py::test_too_few_found_are_searched_exactly",
    ),
    mutant(
        "not-reranked",
        "vae_lib/engines/faiss_index.py",
        "answer = best_of(self.exact, queries, candidates, k)",
        "answer = candidates[:, :k], torch.from_numpy(computed[:, :k]).double()",
        "test_engines.py::test_scores_from_cells_are_exact_and_one_z_gives_one_row",
    ),
    mutant(
        "tune-to-the-wrong-side",
        "vae_lib/engines/faiss_index.py",
        "(low, middle) if reached(middle) >= at_least else (middle, high)",
        "(low, middle) if reached(middle) < at_least else (middle, high)",
        "test_engines.py::test_cells_trade_recall_for_speed_and_tune_chooses",
    ),
    mutant(
        "recall-by-place",
        "vae_lib/engines/recall.py",
        "(found[:, :, None] == expected[:, None, :]).any(dim=1).double()",
        "(found == expected).double()",
        "test_engines.py::test_recall_is_the_share_found_in_whatever_order",
    ),
    mutant(
        "milvus-answers-not-verified",
        "vae_lib/engines/milvus_index.py",
        "if found < at_least:",
        "if found < 0:",
        "test_engines.py::test_a_collection_that_holds_something_else_is_caught",
    ),
    mutant(
        "milvus-answers-not-ranked-again",
        "vae_lib/engines/milvus_index.py",
        "answer = best_of(self.exact, queries, candidates.to(queries.device), k)",
        "some = candidates[:, torch.arange(k).roll(1)]\n"
        "        answer = some, self.exact.posteriors.log_prob(queries).gather(1, some)",
        "test_engines.py::test_milvus_finds_what_exact_search_finds[FLAT]",
    ),
    mutant(
        "fingerprint-of-the-means-alone",
        "vae_lib/engines/milvus_index.py",
        "for numbers in (posteriors.mean, posteriors.std):",
        "for numbers in (posteriors.mean,):",
        "test_engines.py::test_other_garments_have_another_fingerprint",
    ),
    mutant(
        "neighbours-spread-too-much",
        "vae_course/measured/wardrobes.py",
        ".mean(dim=0).sqrt() / 2**0.5",
        ".mean(dim=0).sqrt()",
        "test_engines.py::test_resampled_std_differs_as_much_as_between_neighbours",
    ),
]

EVALUATION = [
    mutant(
        "hits-over-the-wrong-axis",
        "vae_lib/evaluation/measures.py",
        "(indices[:, :k] == garment[:, None]).any(dim=1)",
        "(indices[:, :k] == garment[:, None]).any(dim=0)",
        "test_evaluation.py::test_recall_and_reciprocal_rank_by_hand",
    ),
    mutant(
        "hits-among-one-more",
        "vae_lib/evaluation/measures.py",
        "(indices[:, :k] == garment",
        "(indices[:, : k + 1] == garment",
        "test_evaluation.py::test_recall_and_reciprocal_rank_by_hand",
    ),
    mutant(
        "error-without-root",
        "vae_lib/evaluation/measures.py",
        "values.std().item() / math.sqrt(len(values))",
        "values.std().item() / len(values)",
        "test_evaluation.py::test_an_average_by_hand",
    ),
    mutant(
        "interval-of-wald",
        "vae_lib/evaluation/measures.py",
        " + Z95**2 / (4 * count**2))",
        ")",
        "test_evaluation.py::test_a_rate_has_the_interval_of_scipy",
    ),
    mutant(
        "held-out-garments-come-again",
        "vae_lib/evaluation/queries.py",
        "torch.randperm(len(images.test_images), generator=generator)[:count]",
        "torch.randint(len(images.test_images), (count,), generator=generator)",
        "test_evaluation.py::test_held_out_z_have_a_class_and_no_garment_in_the_wardrobe",
    ),
    mutant(
        "mean-pixel-distance",
        "vae_lib/evaluation/measures.py",
        "difference.square().flatten(start_dim=1).sum(dim=1)",
        "difference.square().flatten(start_dim=1).mean(dim=1)",
        "test_evaluation.py::test_pixel_distances_by_hand",
    ),
    mutant(
        "lead-the-other-way",
        "vae_lib/evaluation/table.py",
        "return average(first - second)",
        "return average(second - first)",
        "test_evaluation.py::test_a_lead_is_the_mean_of_paired_differences",
    ),
    mutant(
        "weights-without-the-proposal",
        "vae_lib/evaluation/importance.py",
        "(prior.log_prob(z) - Normal(mean, std).log_prob(z))",
        "prior.log_prob(z)",
        "test_importance.py::test_the_exact_posterior_of_a_linear_gaussian_model_is_recovered",
    ),
    mutant(
        "the-last-bin-is-open",
        "vae_lib/evaluation/measures.py",
        "inside |= probability == high",
        "inside |= probability > high",
        "test_evaluation.py::test_reliability_by_hand",
    ),
]

IMAGES = [
    mutant(
        "factors-of-other-garments",
        "vae_lib/garments.py",
        "grey[batch] = _draw(label, factors[batch])",
        "grey[batch] = _draw(label, factors[batch[::-1]])",
        "test_garments.py::test_garments_show_their_factors",
    ),
    mutant(
        "test-images-from-the-training-set",
        "vae_lib/data.py",
        "test_images=garments.images[DRAWN_TRAIN:],\n"
        "        test_labels=garments.labels[DRAWN_TRAIN:],",
        "test_images=garments.images[:DRAWN_TEST],\n"
        "        test_labels=garments.labels[:DRAWN_TEST],",
        "test_data.py::test_no_drawn_test_image_was_trained_on",
    ),
    mutant(
        "archives-not-verified",
        "vae_lib/fashion_mnist.py",
        "if _md5(path) == digest:",
        "if digest:",
        "test_data.py::test_a_damaged_archive_is_named_set_aside_and_fetched_again",
    ),
    mutant(
        "unpacked-files-not-verified",
        "vae_lib/fashion_mnist.py",
        "_md5(home / RAW / name) == digest for name, digest",
        "(home / RAW / name).exists() for name, digest",
        "test_data.py::test_damaged_unpacked_files_are_made_again",
    ),
    mutant(
        "inverted-the-wrong-way",
        "vae_lib/pictures.py",
        "return background > 127.5",
        "return background < 127.5",
        "test_folder.py::test_the_border_decides_and_can_be_overruled",
    ),
    mutant(
        "border-decides-by-its-mean",
        "vae_lib/pictures.py",
        "np.median(grey[opaque])",
        "np.mean(grey[opaque])",
        "test_folder.py::test_a_garment_that_touches_the_border_does_not_decide",
    ),
    mutant(
        "turned-the-wrong-way",
        "vae_lib/pictures.py",
        "6: Image.Transpose.ROTATE_270",
        "6: Image.Transpose.ROTATE_90",
        "test_folder.py::test_every_way_to_hold_a_camera_is_undone",
    ),
    mutant(
        "tested-on-what-was-trained-on",
        "vae_lib/folder.py",
        "return torch.from_numpy(order[~held_out]), ",
        "return torch.from_numpy(order), ",
        "test_folder.py::test_every_class_is_split_and_neither_part_is_empty",
    ),
    mutant(
        "class-of-the-innermost-folder",
        "vae_lib/folder.py",
        "inside.parts[0] if len(inside.parts) > 1",
        "inside.parts[-2] if len(inside.parts) > 1",
        "test_folder.py::test_classes_are_the_first_level_of_folders",
    ),
    mutant(
        "a-folder-of-others-taken-for-ours",
        "vae_lib/folder.py",
        '.read_text(encoding="utf-8") == mark',
        '.read_text(encoding="utf-8") != ""',
        "test_folder.py::test_a_drawn_folder_is_written_once_and_never_over_anything",
    ),
]

FILES = [
    mutant(
        "weights-loaded-without-verification",
        "vae_lib/weights.py",
        'if sha256(path) != facts["sha256"]:',
        'if not facts["sha256"]:',
        "test_weights.py::test_pretrained_weights_that_were_changed_are_refused",
    ),
    mutant(
        "foreign-file-taken",
        "vae_lib/_files.py",
        'if facts.get("kind") != kind:',
        "if not kind:",
        "test_engines.py::test_other_files_are_refused",
    ),
    mutant(
        "written-in-place",
        "vae_lib/_files.py",
        "        write(temporary)\n",
        "        write(path)\n        temporary.write_bytes(path.read_bytes())\n",
        "test_weights.py::test_a_failed_save_leaves_the_old_file",
    ),
    mutant(
        "half-a-file-left-behind",
        "vae_lib/_files.py",
        "temporary.unlink(missing_ok=True)",
        "pass",
        "test_weights.py::test_a_failed_save_leaves_the_old_file",
    ),
    mutant(
        "pins-not-in-the-fingerprint",
        "course.py",
        'for name in ("pyproject.toml", "constraints.txt"):',
        'for name in ("pyproject.toml",):',
        "test_course.py::test_it_installs_once_and_again_only_when_the_lists_change",
    ),
    mutant(
        "half-an-install-taken-for-whole",
        "course.py",
        "os.remove(READY)",
        "pass",
        "test_course.py::test_an_interrupted_addition_is_not_taken_for_what_was_there_before",
    ),
]

EXERCISES = [
    mutant(
        "check-that-always-says-right",
        "vae_course/exercises/checking.py",
        "    if all(_equal(exercise, *pair) for pair in zip(outcomes, expected, strict=True)):\n"
        "        return exercise.verified",
        "    if outcomes:\n        return exercise.verified",
        "test_exercises.py::test_a_known_mistake_gets_its_own_diagnosis",
    ),
    mutant(
        "any-of-the-texts-is-right",
        "vae_course/exercises/checking.py",
        "if given == exercise.oracle():",
        "if given in exercise.options:",
        "test_exercises.py::test_a_known_mistake_gets_its_own_diagnosis",
    ),
    mutant(
        "right-on-the-example-is-right",
        "vae_course/exercises/checking.py",
        "    if all(_equal(exercise, *pair) for pair in zip(outcomes, expected, strict=True)):\n"
        "        return exercise.verified",
        "    if _equal(exercise, outcomes[0], expected[0]):\n        return exercise.verified",
        "test_exercises.py::test_what_is_said_of_other_answers",
    ),
    mutant(
        "nearly-right-is-right",
        "vae_course/exercises/checking.py",
        "relative_tolerance: float = 1e-4",
        "relative_tolerance: float = 2e-2",
        "test_exercises.py::test_one_per_cent_off_is_not_right",
    ),
    mutant(
        "random-answers-not-said",
        "vae_course/exercises/checking.py",
        '    if exercise.kind == "function":\n        _raise_if_random',
        '    if exercise.kind == "":\n        _raise_if_random',
        "test_exercises.py::test_what_is_said_of_other_answers",
    ),
    mutant(
        "every-choice-is-right",
        "vae_course/exercises/quizzes.py",
        "right = chosen == question.right()",
        "right = chosen is not None",
        "test_exercises.py::test_every_question_has_one_right_answer_and_says_why",
    ),
    mutant(
        "key-of-a-quiz-reversed",
        "vae_course/exercises/quizzes.py",
        "int(scores[1] > scores[0])",
        "int(scores[1] < scores[0])",
        "test_exercises.py::test_the_computed_key_is_the_one_found_by_hand",
    ),
]

EXPLORER = [
    mutant(
        "slider-moves-another-dimension",
        "vae_lib/explorer/panel.py",
        "slider.observe(self._calling(self._slid, j)",
        "slider.observe(self._calling(self._slid, j - 1)",
        "test_explorer.py::test_each_slider_moves_its_own_dimension",
    ),
    mutant(
        "sliders-laid-out-the-wrong-way",
        "vae_lib/explorer/panel.py",
        "key=lambda j: -kl_per_dimension[j]",
        "key=lambda j: kl_per_dimension[j]",
        "test_explorer.py::test_sliders_are_laid_out_by_what_they_say",
    ),
    mutant(
        "picture-not-renewed",
        "vae_lib/explorer/widget.py",
        "self.picture.value = garment_png(self._decoded)",
        "self.picture.value = self.picture.value or garment_png(self._decoded)",
        "test_explorer.py::test_each_slider_moves_its_own_dimension",
    ),
    mutant(
        "z-pushed-between-the-sliders-ends",
        "vae_lib/explorer/widget.py",
        "self._z = queries[0].tolist()",
        "self._z = queries[0].clamp(-5, 5).tolist()",
        "test_explorer.py::test_a_z_outside_the_sliders_is_kept_exactly_and_said",
    ),
    mutant(
        "rows-in-the-wrong-order",
        "vae_lib/explorer/widget.py",
        "tuple(rule for rule in ROW_RULES if rule in wanted)",
        "tuple(rule for rule in reversed(ROW_RULES) if rule in wanted)",
        "test_explorer.py::test_rules_are_set_from_python_too",
    ),
    mutant(
        "stale-neighbours",
        "vae_lib/explorer/widget.py",
        "        self._pacer.finish()\n        return self._answer",
        "        return self._answer",
        "test_explorer.py::test_a_slow_model_draws_the_last_of_the_moves_that_waited",
    ),
    mutant(
        "row-by-another-rule",
        "vae_lib/explorer/state.py",
        "return index.search(z, k, rule)",
        'return index.search(z, k, "euclidean")',
        "test_explorer.py::test_it_starts_at_zero",
    ),
    mutant(
        "shared-garment-at-the-wrong-place",
        "vae_lib/explorer/state.py",
        "enumerate(first, 1)",
        "enumerate(first, 2)",
        "test_explorer.py::test_the_overlap_is_counted_and_the_shared_garments_are_linked",
    ),
    mutant(
        "live-dimensions-said-to-be-dead",
        "vae_lib/explorer/state.py",
        "variance <= ACTIVE_VARIANCE",
        "variance > ACTIVE_VARIANCE",
        "test_explorer.py::test_dead_dimensions_are_said_to_be_unused",
    ),
    mutant(
        "caption-of-another-garment",
        "vae_lib/explorer/rows.py",
        "images.train_labels[garment]]",
        "images.train_labels[garment - 1]]",
        "test_explorer.py::test_captions_tell_class_score_and_probability",
    ),
    mutant(
        "gate-says-the-opposite",
        "vae_lib/explorer/rows.py",
        '"at z, which is near" if answer.familiar else',
        '"at z, which is near" if not answer.familiar else',
        "test_explorer.py::test_the_gate_says_where_it_searched",
    ),
    mutant(
        "familiar-says-the-opposite",
        "vae_lib/explorer/rows.py",
        'if answer.familiar else ("Far from anything"',
        'if not answer.familiar else ("Far from anything"',
        "test_explorer.py::test_familiarity_is_told_against_the_quantile",
    ),
    mutant(
        "echo-taken-for-a-move",
        "vae_lib/explorer/controls.py",
        "if any(near):",
        "if any(near) and not near:",
        "test_explorer.py::test_the_echo_of_the_front_end_changes_nothing",
    ),
    mutant(
        "percentiles-upside-down",
        "vae_lib/explorer/scale.py",
        "return 100 * PRIOR.cdf(z) if",
        "return 100 * PRIOR.cdf(-z) if",
        "test_explorer.py::test_percentiles_change_the_scale_and_not_z",
    ),
]

FIGURES = [
    mutant(
        "colours-swapped",
        "vae_course/figures/scaling.py",
        'LIKELIHOOD, EUCLIDEAN = RULE_COLORS["likelihood"], RULE_COLORS["euclidean"]',
        'EUCLIDEAN, LIKELIHOOD = RULE_COLORS["likelihood"], RULE_COLORS["euclidean"]',
        "test_figures.py::test_costs_are_those_of_the_search_that_is_named",
    ),
    mutant(
        "axes-swapped",
        "vae_course/figures/evaluation.py",
        'axes.plot(near, far, "o", color=color_of(rule), markersize=9)',
        'axes.plot(far, near, "o", color=color_of(rule), markersize=9)',
        "test_figures.py::test_each_rule_stands_where_its_figures_are",
    ),
    mutant(
        "labels-swapped",
        "vae_course/figures/__init__.py",
        '"likelihood": "log likelihood",\n    "euclidean": "Euclidean distance",',
        '"likelihood": "Euclidean distance",\n    "euclidean": "log likelihood",',
        "test_explorer.py::test_the_picture_is_described",
    ),
    mutant(
        "curves-swapped",
        "vae_course/figures/training.py",
        '(history.train, "trained on", TRAIN_COLOR, "o--"),',
        '(history.validation, "trained on", TRAIN_COLOR, "o--"),',
        "test_figures.py::test_training_curves_are_those_of_the_history",
    ),
    mutant(
        "captions-moved-by-one",
        "vae_course/figures/__init__.py",
        "captions[title][number] if",
        "captions[title][number - 1] if",
        "test_figures.py::test_each_garment_stands_over_its_caption",
    ),
    mutant(
        "garments-black-on-white",
        "vae_course/figures/__init__.py",
        'cmap="gray", vmin=0',
        'cmap="gray_r", vmin=0',
        "test_figures.py::test_each_garment_stands_over_its_caption",
    ),
    mutant(
        "costs-of-the-other-search",
        "vae_course/figures/scaling.py",
        '("faiss L2", "FAISS IndexFlatL2 on μ", EUCLIDEAN, "s"),',
        '("likelihood", "FAISS IndexFlatL2 on μ", EUCLIDEAN, "s"),',
        "test_figures.py::test_costs_are_those_of_the_search_that_is_named",
    ),
]

NOTEBOOKS = [
    mutant(
        "00-shows-the-second",
        "notebooks/00_start_here.ipynb",
        "{neighbors.scores[0]:.0f}",
        "{neighbors.scores[9]:.0f}",
        "00_start_here.ipynb",
    ),
    mutant(
        "00-euclidean-row-is-likelihood",
        "vae_lib/explorer/state.py",
        "return index.search(z, k, rule)",
        "return index.search(z, k)",
        "00_start_here.ipynb",
    ),
    mutant(
        "01-density-without-half",
        "notebooks/01_vae_math.ipynb",
        "return -0.5 * squared_distance - math.log(std)",
        "return -squared_distance - math.log(std)",
        "01_vae_math.ipynb",
    ),
    mutant(
        "01-kl-with-the-wrong-sign",
        "notebooks/01_vae_math.ipynb",
        "std**2 - 1 - math.log(std**2))",
        "std**2 - 1 + math.log(std**2))",
        "01_vae_math.ipynb",
    ),
    mutant(
        "02-mean-over-pixels",
        "notebooks/02_training.ipynb",
        "return log_prob.sum(dim=(1, 2, 3)), kl.sum(dim=1)",
        "return log_prob.mean(dim=(1, 2, 3)), kl.sum(dim=1)",
        "02_training.ipynb",
    ),
    mutant(
        "03-std-for-log-std",
        "notebooks/03_encoding.ipynb",
        "log_volume = posteriors.std.log().sum(dim=1)",
        "log_volume = posteriors.std.sum(dim=1)",
        "03_encoding.ipynb",
    ),
    mutant(
        "04-log-std-dropped",
        "notebooks/04_retrieval.ipynb",
        "return (-squared / 2 - std.log() - constant)",
        "return (-squared / 2 - constant)",
        "04_retrieval.ipynb",
    ),
    mutant(
        "04-sorted-the-wrong-way",
        "notebooks/04_retrieval.ipynb",
        "best_first = scores.argsort(descending=True)[:10]",
        "best_first = scores.argsort()[:10]",
        "04_retrieval.ipynb",
    ),
    mutant(
        "04-scores-in-bits",
        "notebooks/04_retrieval.ipynb",
        "torch.tensor(2 * torch.pi)) / 2",
        "torch.tensor(2 * torch.pi))",
        "04_retrieval.ipynb",
    ),
    mutant(
        "04-sample-for-the-mean",
        "vae_lib/posteriors.py",
        "means.append(q.mean.cpu())",
        "means.append(q.sample(torch.Size()).cpu())",
        "04_retrieval.ipynb",
    ),
]

MUTANTS = [
    *MODEL,
    *OBJECTIVE,
    *TRAINING,
    *POSTERIORS,
    *LIFTED,
    *RETRIEVAL,
    *ENGINES,
    *EVALUATION,
    *IMAGES,
    *FILES,
    *EXERCISES,
    *EXPLORER,
    *FIGURES,
    *NOTEBOOKS,
]
