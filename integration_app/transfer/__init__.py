"""Moving what a person already has: files into Omi, Omi into files. Pure readers, one plan, one ledger.

items     what can be imported: conversations, memories, tasks
readers/  a file of one kind → items (mail, SMS backup, WhatsApp, tables, notes, transcripts)
ledger    what has been sent, so that it can be stopped, resumed and repeated
places    where it goes: an app's user (integrations API) or oneself (Developer API)
importing plan and carry out
exporting Omi → JSONL, Markdown, CSV, SQLite
"""
