"""`intents`: the suite from a terminal. Read main.py → options.py → commands/ → output.py, exits.py; cluster/ apart."""

import os

# before grpc is imported, which is when it reads this: its own lines about connections say nothing that ours don't
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
