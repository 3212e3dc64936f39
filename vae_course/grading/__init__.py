"""Grading what others wrote: a sandbox, a process in it, and verdicts that are made outside."""
