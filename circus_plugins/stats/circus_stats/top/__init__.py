"""`circus-top`: what watchers and processes cost, live, and keys to act on them.

Data flow one way: `session` hears the daemon and tells `model`, which is made of what `known` declares;
`rows` makes lines of it; `columns` says what is in them; `plain` prints them, `app` shows them. Only `app`
and what it imports need Textual.
"""
