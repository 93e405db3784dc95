"""A host that is about to be killed, started as a script: `dying_host.py DATA_DIR [early | wrapped]`.

It spawns a sidecar and leaves a copy of the pipe's writing end to a `sleep`, so that the sidecar's stdin never ends.
`early`: the sidecar has not begun to watch it yet.  `wrapped`: a process stands between the two, which survives the
host; `initialize` names the host's own id.
It prints the sidecar's id and the sleeper's, and then waits for its end.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.process.raw_client import CLIENT, MODIFIED_SIDECAR, environment, line
from tests.strict_json import parse

WRAPPER = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'sidecar'], check=False)"
COMMANDS = {
    "": [sys.executable, "-m", "sidecar"],
    "early": [*MODIFIED_SIDECAR, "late"],
    "wrapped": [sys.executable, "-c", WRAPPER],
}


def main(data_dir: Path, how: str) -> None:
    reads, writes = os.pipe()
    child = subprocess.Popen(
        COMMANDS[how], stdin=reads, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(data_dir, {})
    )
    sleeper = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, pass_fds=[writes])
    os.write(writes, line("initialize", 1, **CLIENT, **({"process_id": os.getpid()} if how == "wrapped" else {})))
    assert child.stdout is not None
    pid = child.pid if how == "early" else parse(child.stdout.readline()[:-1])["result"]["server_info"]["pid"]
    print(pid, sleeper.pid, child.pid, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
