"""A host that the test kills, started as a script: `dying_host.py DATA_DIR [early | wrapped]`.

It spawns a sidecar, and a `sleep` that inherits the pipe's writing end, so that the sidecar's stdin never ends.
`early`: the sidecar does not watch its parent yet.  `wrapped`: another process between the two survives the host;
`initialize` passes the host's process id.
It prints the process ids of the sidecar and of `sleep`, and then waits to be killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sidecar.paths import isolated_environment
from tests.process.raw_client import CLIENT, MODIFIED_SIDECAR, line
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
        COMMANDS[how],
        stdin=reads,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=isolated_environment(data_dir, {}),
    )
    sleeper = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, pass_fds=[writes])
    os.write(writes, line("initialize", 1, **CLIENT, **({"process_id": os.getpid()} if how == "wrapped" else {})))
    assert child.stdout is not None
    pid = child.pid if how == "early" else parse(child.stdout.readline()[:-1])["result"]["server_info"]["pid"]
    print(pid, sleeper.pid, child.pid, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
