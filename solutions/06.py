"""Solutions of notebook 06. `course.py solutions` puts each into its exercise's cell."""

# %% 6.1


def my_unlift(lifted):
    d = lifted.shape[1] // 2
    variance = -0.5 / lifted[:, :d]  # what meets z² is −1 / (2σ²)
    mean = lifted[:, d : 2 * d] * variance  # what meets z is μ / σ²
    return torch.cat([mean, variance.sqrt()], dim=1)


# %% 6.2


def my_margin(found, exact):
    common = found[:, :, None] == exact[:, None, :]  # [Q, k, k]
    recalls = common.any(dim=1).double().mean(dim=1)  # [Q]
    return 1.96 * recalls.std() / len(recalls) ** 0.5


# %% 6.3

my_millions = 16e9 / ((2 * 16 + 1) * 4 + 8) / 1e6

# %% 6.4


def my_search_in_blocks(z, blocks, k):
    scores, indices, start = torch.empty(0), torch.empty(0, dtype=torch.int64), 0
    for mean, std in blocks:
        score = (-0.5 * ((z - mean) / std) ** 2 - std.log()).sum(dim=1)  # [n]
        scores = torch.cat([scores, score])
        indices = torch.cat([indices, start + torch.arange(len(mean))])
        kept = scores.topk(min(k, len(scores))).indices  # of those so far
        scores, indices = scores[kept], indices[kept]
        start += len(mean)
    return indices
