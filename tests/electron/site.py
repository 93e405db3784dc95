"""An Atlassian site for the example app's tests: `python -m tests.electron.site` tells where it is, then takes orders.

A line of input is an order, answered by a line when it is done: `expire` ends all tokens, `token` tells a new one.
"""

import json
import sys

from tests.fakes.atlassian import FakeSite


def main() -> None:
    """Serve until standard input ends."""
    with FakeSite() as site:
        mara = site.user("mara")
        issue = site.jira.create(mara, "Import skips the last stop of night lines", project="TRAM")
        site.jira.transition(issue, mara, "Doing")
        site.confluence.create(mara, "How stops are matched")
        about = {"base_url": site.url, "email": mara.email, "api_token": site.token(mara)}
        print(json.dumps(about), flush=True)
        for line in sys.stdin:
            with site.lock:
                if line.strip() == "expire":
                    for token in site.tokens.values():
                        token.expired = True
                    print("done", flush=True)
                else:
                    print(site.token(mara), flush=True)


if __name__ == "__main__":
    main()
