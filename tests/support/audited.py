"""Reads files under an audit hook and prints, as JSON, what else that did.

python tests/support/audited.py KIND PATH [KIND PATH]...

Each file is read twice: the first reading imports everything needed, the second may open nothing
but the file itself. KIND is model, spec, idx or image.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lenetkit.data.idx import read_idx
from lenetkit.data.images import read_image
from lenetkit.errors import InputError
from lenetkit.model import model
from lenetkit.network.plan import load_plan

READERS: dict[str, Callable[[Path], object]] = {
    "model": model.load,
    "spec": load_plan,
    "idx": read_idx,
    "image": read_image,
}
ALARMING = (
    *("pickle.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn"),
    *("os.spawn", "os.startfile", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link"),
    *("os.symlink", "os.truncate", "os.chmod", "os.chown", "os.putenv", "socket.", "ctypes."),
    *("shutil.", "tempfile.", "urllib.", "code.__new__", "webbrowser.", "winreg."),
)
LATER = ("import", "compile", "exec", "marshal.loads")
"""What the first reading may do, as modules are imported then."""


def main(arguments: list[str]) -> None:
    """Read each file twice and say what happened."""
    events: list[tuple[str, str]] = []
    state = {"path": "", "pass": 0}

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if not state["path"]:
            return
        if event == "open":
            opened, _, flags = details
            written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
            descriptor = isinstance(opened, int)  # of a file whose opening was seen
            strange = state["pass"] == 2 and not descriptor and str(opened) != state["path"]
            if written or strange:
                events.append((str(state["path"]), f"open {opened!r} {flags}"))
        elif event.startswith(ALARMING) or (state["pass"] == 2 and event in LATER):
            events.append((str(state["path"]), f"{event} {details!r}"))

    sys.addaudithook(hook)
    done = 0
    for number in (1, 2):
        state["pass"] = number
        for kind, path in zip(arguments[::2], arguments[1::2], strict=True):
            state["path"] = path
            try:
                READERS[kind](Path(path))
            except InputError:
                done += 1
            state["path"] = ""
    sys.stdout.write(json.dumps({"events": events, "refused": done, "modules": list(sys.modules)}))


if __name__ == "__main__":
    main(sys.argv[1:])
