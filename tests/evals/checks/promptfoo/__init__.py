"""Scores of promptfoo itself, to hold ours against: the pairs that it was asked for, its answers, and how to ask anew.

    npm install --prefix /tmp/oracle promptfoo@0.123.1        (Node 22.22 or later; 270 MB)
    python -m tests.evals.checks.promptfoo.record /tmp/oracle

With PROMPTFOO=/tmp/oracle in the environment the tests ask it as well.
"""
