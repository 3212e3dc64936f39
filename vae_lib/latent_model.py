"""`LatentModel`, the interface that a VAE needs for retrieval, and `adapt`, which provides it.

Retrieval, the explorer and evaluation need only a `LatentModel`. `elbo`,
`importance_weighted_bound` and `fit` need the method `likelihood` as well.
"""

import contextlib
import inspect
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from vae_lib._checks import is_float, require, require_int, require_one_of
from vae_lib.pixels import as_unit_interval

SPREADS = ("log_variance", "variance", "std")
Shape = tuple[int, int, int]  # (C, H, W)
ROUNDING = 1e-3  # how far outside [0, 1] a decoder's pixels may be, because bfloat16 rounds
ROUNDING_OF_MEANS = 0.02  # how far an image's mean may differ between batches in bfloat16
_LOCK = threading.Lock()
_IN_USE: dict[nn.Module, tuple[int, bool]] = {}  # the number of users, and the mode to restore


@runtime_checkable
class LatentModel(Protocol):
    """A model that encodes images as Gaussians and decodes latent codes.

    Attributes:
        latent_dim: the number of latent dimensions, d.
        image_shape: (C, H, W).
    """

    latent_dim: int
    image_shape: tuple[int, int, int]

    def encode(self, x: Tensor) -> Normal:
        """Return q(z|x) with `mean` and `stddev` of shape [B, d]; x: [B, C, H, W] in [0, 1]."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return pictures [B, C, H, W] with pixels in [0, 1]; z: [B, d]."""
        ...


@runtime_checkable
class ModelWithLikelihood(Protocol):
    """A model whose ELBO can be computed. The prior is N(0, I)."""

    def encode(self, x: Tensor) -> Normal:
        """Return q(z|x) with `mean` and `stddev` of shape [B, d]."""
        ...

    def likelihood(self, z: Tensor) -> Distribution:
        """Return p(x|z), a distribution over images of the shape of x."""
        ...


def require_model(model: object, *names: str) -> None:
    """Check that a model has the attributes and methods that a function needs of it.

    Raises:
        TypeError: one of them is missing, or `latent_dim` or `image_shape` is malformed.
        ValueError: the model is on the meta device.
    """
    if isinstance(model, type):
        raise TypeError(f"vae: expected a model, got the class {model.__name__}; create one first")
    if str(device_of(model)) == "meta":
        expected = "weights with values, got a model on the meta device"
        raise ValueError(f"vae: expected {expected}; vae.to_empty(device='cpu'), then load them")
    missing = [name for name in names if not hasattr(model, name)]
    if missing:
        raise TypeError(
            f"vae: expected a model with {', '.join(names)}; {type(model).__name__} has no "
            f"{' and no '.join(missing)}. vae_lib.adapt(encode=..., decode=..., "
            "latent_dim=..., image_shape=(C, H, W)) wraps any VAE; training needs likelihood(z)."
        )
    if "latent_dim" in names:
        require_int("vae.latent_dim", model.latent_dim, least=1)  # type: ignore[attr-defined]
    if "image_shape" in names:
        as_image_shape("vae.image_shape", model.image_shape)  # type: ignore[attr-defined]


def as_image_shape(name: str, shape: Any) -> Shape:
    """Return (C, H, W) as a tuple of three ints.

    Raises:
        TypeError: shape is not a sequence of integers.
        ValueError: shape has another length, or a side below 1.
    """
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise TypeError(f"{name}: expected (channels, height, width), got {type(shape).__name__}")
    if len(shape) != 3:
        raise ValueError(f"{name}: expected (channels, height, width), got {tuple(shape)}")
    channels, height, width = (require_int(name, side, least=1) for side in shape)
    return channels, height, width


def require_codes(z: object, latent_dim: int) -> None:
    """Check that z is a tensor of latent codes [B, d].

    Raises:
        TypeError: z is not a tensor of floats.
        ValueError: z has another shape.
    """
    if not isinstance(z, Tensor) or not is_float(z):
        got = f"{z.dtype}, {z.layout}, {z.device}" if isinstance(z, Tensor) else type(z).__name__
        raise TypeError(f"z: expected a tensor of floats [B, {latent_dim}], got {got}")
    if z.dim() != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"z: expected shape [B, {latent_dim}], got {list(z.shape)}")


def at_least_float32(x: Tensor) -> Tensor:
    """Return float16 and bfloat16 as float32; float32 and float64 as they are."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def device_of(model: object) -> torch.device | None:
    """Return the device of a model's parameters; None for a model without parameters."""
    first = _first_parameter(model)
    return None if first is None else first.device


def like_weights(model: object, x: Tensor) -> Tensor:
    """Return x on the device and in the float type of a model's first parameter.

    A model without parameters gets x as it is.
    """
    first = _first_parameter(model)
    return x if first is None else x.to(first)


def pictures_of(model: LatentModel, z: Float[Tensor, "batch latent"]) -> Tensor:
    """Decode z with a model of any float type; return the pictures in float32, [B, C, H, W]."""
    return model.decode(like_weights(model, z)).float()


def _first_parameter(model: object) -> nn.Parameter | None:
    return next(model.parameters(), None) if isinstance(model, nn.Module) else None


@contextlib.contextmanager
def evaluation_mode(model: object) -> Iterator[None]:
    """Switch a module to evaluation mode, then each part of it back to the mode it was in.

    In training mode, dropout changes every answer, and batch normalisation changes the model. If
    several threads use one model, the last of them switches it back.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    with _LOCK:
        for module in modules:
            users, mode = _IN_USE.get(module, (0, module.training))
            _IN_USE[module] = users + 1, mode
            if module.training:  # because setting an attribute of a module is slow
                module.training = False
    try:
        yield
    finally:
        with _LOCK:
            for module in modules:
                users, mode = _IN_USE.pop(module)
                if users > 1:
                    _IN_USE[module] = users - 1, mode
                elif module.training != mode:
                    module.training = mode


def adapt(
    *,
    encode: Callable[[Tensor], Any],
    decode: Callable[[Tensor], Tensor],
    latent_dim: int,
    image_shape: Sequence[int],
    spread: Literal["log_variance", "variance", "std"] = "log_variance",
) -> "AdaptedModel":
    """Make a `LatentModel` from two functions, which encode and decode.

    `adapt` calls both functions with a few test images, to find mistakes early.

    Args:
        encode: takes float images [B, C, H, W] in [0, 1]; returns a Normal, or the pair (mean,
            spread), each of shape [B, ...] with `latent_dim` numbers per image.
        decode: takes latent codes in the shape that `encode` gives them; returns pictures
            [B, C, H, W], or [B, C·H·W], with pixels in [0, 1].
        latent_dim: d, the number of latent dimensions after flattening.
        image_shape: (C, H, W).
        spread: what the second value of the pair is: log σ², σ² or σ.

    Returns:
        A model with latent codes of shape [B, d]. It is a module that holds the modules found in
        `encode` and `decode`: `eval`, `to` and `parameters` reach them.

    Raises:
        TypeError: an argument, or what a function returns, has the wrong type.
        ValueError: a function returns another shape, pixels outside [0, 1], a σ that is not
            positive and finite, or a mean that depends on the other images of the batch.

    Warns:
        UserWarning: the spread is the same for all images; or every log variance is positive,
            which suggests that `encode` returns standard deviations.
    """
    for name, function in (("encode", encode), ("decode", decode)):
        if not callable(function):
            raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    require_one_of("spread", SPREADS, spread)
    latent_dim = require_int("latent_dim", latent_dim, least=1)
    shape = as_image_shape("image_shape", image_shape)
    vae = AdaptedModel(encode, decode, latent_dim, shape, spread)
    ramp = torch.linspace(0, 1, math.prod(shape), device="cpu")
    x = torch.stack([ramp, 1 - ramp, ramp**2]).view(-1, *shape)
    with torch.no_grad(), evaluation_mode(vae):
        q, larger = vae.encode(x[:2]), vae.encode(x)
        vae.decode(q.mean)
    difference = (q.mean - larger.mean[:2]).abs()
    if (difference > ROUNDING_OF_MEANS * (1 + q.mean.abs())).any():
        raise ValueError(
            "encode: expected the same mean for an image in every batch, got means that differ by "
            f"{difference.max().item():.2g}; call eval() on the model first, and return the mean "
            "rather than a sample"
        )
    if q.stddev.eq(q.stddev[0]).all():
        sizes = " to ".join(dict.fromkeys(f"{q.stddev.aminmax()[i].item():.3g}" for i in (0, 1)))
        message = f"σ is {sizes} for every image: likelihood ranks as scaled-euclidean does"
        warnings.warn(f"encode: {message}", stacklevel=2)
    elif spread == "log_variance" and (q.stddev > 1).all():
        message = "every log variance is above 0; does it need spread='variance' or spread='std'?"
        warnings.warn(f"encode: {message}", stacklevel=2)
    return vae


class AdaptedModel(nn.Module):
    """A VAE given as two functions; see `adapt`."""

    latent_shape: torch.Size  # of one latent code, as `encode` gives it

    def __init__(
        self, encode: Callable, decode: Callable, latent_dim: int, image_shape: Shape, spread: str
    ):
        super().__init__()
        self._functions = encode, decode  # a tuple, so that modules are registered only once
        self.parts = nn.ModuleList(dict.fromkeys(_modules_in(encode) + _modules_in(decode)))
        self.latent_dim, self.image_shape, self.spread = latent_dim, image_shape, spread

    def encode(self, x: Tensor) -> Normal:
        """Return q(z|x) with `mean` and `stddev` of shape [B, d]; x: [B, C, H, W] in [0, 1]."""
        found = self._functions[0](like_weights(self, as_unit_interval(x, self.image_shape)))
        match found:
            case Distribution():
                mean, width, spread = found.mean, found.stddev, "std"
            case [Tensor() as mean, Tensor() as width]:
                spread = self.spread
            case _:
                expected = "it to return (mean, spread) or a Normal"
                raise TypeError(f"encode: expected {expected}, got {type(found).__name__}")
        if mean.shape[:1] != x.shape[:1] or mean.shape[1:].numel() != self.latent_dim:
            got = f"shape {list(mean.shape)} for {len(x)} images"
            expected = f"a mean of latent_dim={self.latent_dim} numbers per image"
            raise ValueError(f"encode: expected {expected}, got {got}")
        if width.shape != mean.shape:
            got = f"{list(width.shape)} for {list(mean.shape)}"
            raise ValueError(f"encode: expected a spread of the mean's shape, got {got}")
        self.latent_shape = mean.shape[1:]
        mean, width = (at_least_float32(part.flatten(start_dim=1)) for part in (mean, width))
        std = {"log_variance": (0.5 * width).exp(), "variance": width.sqrt(), "std": width}[spread]
        if not ((std > 0) & std.isfinite()).all():  # true for NaN, too
            got = f"{width.min().item():.2g} to {width.max().item():.2g}"
            kind, hint = f"a {spread} above 0", "does encode return log variances?"
            if spread == "log_variance":
                kind, hint = "log variances of a finite σ", "does it need spread='variance'?"
            raise ValueError(f"encode: expected {kind}, got {got}; {hint}")
        return Normal(mean, std, validate_args=False)

    def decode(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch c h w"]:
        """Return pictures [B, C, H, W] with pixels in [0, 1]; z: [B, d]."""
        require_codes(z, self.latent_dim)
        pictures = self._functions[1](like_weights(self, z).reshape(-1, *self.latent_shape))
        require("decode", pictures, Tensor, "it to return a tensor of pictures")
        shape = (len(z), *self.image_shape)
        if pictures.shape not in (shape, (len(z), math.prod(self.image_shape))):
            got = list(pictures.shape)
            raise ValueError(f"decode: expected pictures of shape {list(shape)}, got {got}")
        pictures = pictures.reshape(shape).to(torch.float32)
        if not ((pictures >= -ROUNDING) & (pictures <= 1 + ROUNDING)).all():  # false for NaN, too
            least, most = pictures.min().item(), pictures.max().item()
            raise ValueError(
                f"decode: expected pixels in [0, 1], got {least:.2g} to {most:.2g}; pixels in "
                "[-1, 1] need (x + 1) / 2, logits need a sigmoid, small excesses a clamp(0, 1)"
            )
        return pictures.clamp(0, 1)

    def extra_repr(self) -> str:
        return f"latent_dim={self.latent_dim}, image_shape={self.image_shape}"


def _modules_in(function: Callable) -> list[nn.Module]:
    """Return the function or its owner if that is a module, else the modules that it refers to."""
    owner = getattr(function, "__self__", function)
    if isinstance(owner, nn.Module):
        return [owner]
    if not inspect.isfunction(function):
        return []
    found = inspect.getclosurevars(function)
    values = [*found.nonlocals.values(), *found.globals.values()]
    return [value for value in values if isinstance(value, nn.Module)]
