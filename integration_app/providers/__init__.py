"""Who calls us. One folder per provider, complete: what is genuine, what it means, how to set it up, samples.

    provider.py   verify, parse, the status for each outcome; its settings
    signature.py  the vendor's signature, pure
    sender.py     signs and sends like the vendor does: for the demo, `send-sample` and tests
    setup.md      where to click and what to paste
    samples/      recorded requests with what must come of them

`hello/` is the smallest one, to copy. Folders are found by themselves (`registry`); nothing else learns their names.
"""
