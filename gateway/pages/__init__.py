"""The HTML pages of the gateway, with curves as SVG; they are complete without a script.

A page is a list of named fragments: the stream of events sends the ones that have changed, and the script replaces
them. Whatever somebody else may have written is text here, never markup.
"""
