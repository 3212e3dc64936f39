"""Solutions of notebook 03. `course.py solutions` puts each into its exercise's cell."""

# %% 3.1

my_encoding = "mean and std"

# %% 3.2


def my_squared_length(mean, std):
    # E z² = (E z)² + variance, in each dimension
    return (mean**2 + std**2).sum(dim=1).mean()


# %% 3.3

# the variance of a uniform number on [−3, 3] is 6² / 12 = 3, and there are ten of them
my_user_length = (10 * 3) ** 0.5

# %% 3.4


def my_posterior_std(z, log_weight):
    w = log_weight.softmax(dim=0)  # [K], sums to 1 and cannot underflow
    mean = w @ z  # [d]
    return (w @ (z - mean) ** 2).sqrt()
