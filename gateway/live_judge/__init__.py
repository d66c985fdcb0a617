"""The judge of live calls: which calls it grades, what it is asked, and what becomes of its verdicts."""
