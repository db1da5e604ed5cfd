"""circusd with a thread that writes the names of its modules to `modules` when there is a file `tell`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from circus_core.cli.circusd import main


def _tell(folder: Path) -> None:
    while not (folder / "tell").exists():
        time.sleep(0.01)
    names = "\n".join(sys.modules)
    (folder / "unfinished").write_text(names)
    (folder / "unfinished").rename(folder / "modules")


if __name__ == "__main__":
    threading.Thread(target=_tell, args=(Path(sys.argv[-1]).parent,), daemon=True).start()
    sys.exit(main())
