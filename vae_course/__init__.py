"""What makes vae_lib a course: exercises, figures, measured results, commands and grading."""

from pathlib import Path

ROOT = Path(__file__).parents[1]  # the checkout: notebooks/, solutions/, instructors/ lie in it
