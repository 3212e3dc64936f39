"""Solutions of notebook 02. `course.py solutions` puts each into its exercise's cell."""

# %% 2.1


def my_elbo(log_prob, kl):
    reconstruction = log_prob.sum(dim=(1, 2, 3))  # over the pixels of each image, [B]
    per_image = reconstruction - kl.sum(dim=1)  # the KL over its dimensions, [B]
    return per_image.mean()  # over the images


# %% 2.2


def my_dead(kl, losses):
    return losses < 0.5  # free bits hold the KL up, so only the shuffle tells


# %% 2.3


def my_step(vae, optimizer, x, eps):
    q = vae.encode(x)
    z = q.mean + q.stddev * eps  # [B, d], a draw that gradients pass through
    reconstruction = vae.likelihood(z).log_prob(x).sum(dim=(1, 2, 3))  # [B]
    kl = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum(dim=1)  # [B]
    loss = (kl - reconstruction).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
