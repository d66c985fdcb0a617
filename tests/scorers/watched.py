"""Run a script as Python would, and note every address that its process asks for: `watched.py LOG SCRIPT`."""

import os
import runpy
import sys

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        os.write(log, f"{event} {arguments[1:] if event == 'socket.connect' else arguments[:2]}\n".encode())


sys.addaudithook(note)
del sys.argv[:2]
script = sys.argv[0]
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
