"""The explorer: ten sliders for z, the decoded garment, and the nearest garments by each rule."""

from vae_lib.explorer.widget import Explorer

__all__ = ["Explorer"]
