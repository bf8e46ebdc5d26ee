"""Redis, one repository per file. Lua stands next to its caller; nothing here decides, it only remembers."""
