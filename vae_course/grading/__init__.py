"""Grading of submissions: each runs in a sandboxed process, and is judged outside of it."""
