"""One module for each command of course.py; none of this is needed to use `vae_lib`."""
