"""What is made from the notebooks: the site, the slides, the instructors' guide."""
