"""Omi on localhost: a stand-in that behaves as Omi's integrations API does on the wire, faults included.

It shares no line with the client that is tested against it, and imports nothing else of this project, so that it is
a witness of its own. Start it with `omi-inbox sandbox` or `python -m integration_app.sandbox`.

What it does not do: understand text. Titles and memories follow simple rules that are stated where they are made.
"""
