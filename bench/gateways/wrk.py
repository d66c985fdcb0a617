"""The closed loop by wrk, which costs half of what our own load costs; the same prepared requests."""

import json
import shutil
import subprocess
from pathlib import Path

from bench.gateways.install import CACHE
from bench.gateways.load import Address, Seen

# wrk calls these: once for each request, and at the end. Percentiles in steps of a thousandth stand for the latencies.
_SCRIPT = """
local next = 0
function request() next = next % #calls + 1; return calls[next] end
function done(summary, latency, requests)
  local e = summary.errors
  local steps = {}
  for step = 1, 999 do steps[step] = latency:percentile(step / 10) end
  io.write(string.format('\\n{"calls":%d,"failed":%d,"steps":[%s]}\\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, table.concat(steps, ",")))
end
"""


def program() -> str | None:
    """The program wrk, if there is one."""
    unpacked = CACHE / "wrk/usr/bin/wrk"
    return str(unpacked) if unpacked.exists() else shutil.which("wrk")


def closed_loop(folder: Path, address: Address, requests: list[bytes], callers: int, seconds: int) -> Seen:
    """What that many callers saw in that time. Raises CalledProcessError when wrk fails."""
    script = folder / "calls.lua"
    calls = ",".join(f'"{_quoted(request)}"' for request in requests)
    script.write_text(f"calls = {{{calls}}}\n{_SCRIPT}")
    url = f"http://{address[0]}:{address[1]}/"
    command = [program() or "wrk", "-t1", f"-c{callers}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True, cwd=folder).stdout
    found = json.loads(said.strip().splitlines()[-1])
    return Seen(found["calls"], found["failed"], latencies=[step / 1e6 for step in found["steps"]])


def _quoted(request: bytes) -> str:
    """A Lua string of these bytes."""
    return "".join(f"\\{byte:03d}" for byte in request)
