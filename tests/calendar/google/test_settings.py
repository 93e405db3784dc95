"""The endpoints of Google: its own, or for tests those of a fake on this machine."""

import pytest

from sidecar.calendar.google.oauth import Endpoints
from sidecar.settings import read_settings
from tests.calendar.google.harness import SPECS


def test_the_default_endpoints_are_those_of_googles_discovery_document() -> None:
    google = Endpoints.at(read_settings({"APP_DATA_DIR": "/tmp/x"}).google_url)  # noqa: S108 - nothing is written
    assert google == Endpoints()
    document = SPECS / "data" / "specs" / "google-openid-configuration.json"
    if not document.is_file():
        pytest.skip("Google's discovery document is not available")
    text = document.read_text("utf-8")
    for address in (google.authorization, google.tokens, google.revocation, google.userinfo):
        assert f'"{address}"' in text


def test_google_url_selects_a_fake_on_this_machine() -> None:
    url = read_settings({"GOOGLE_URL": "http://127.0.0.1:8080/"}, database="x.db").google_url
    assert url == "http://127.0.0.1:8080"
    assert Endpoints.at(url).calendar == "http://127.0.0.1:8080/calendar/v3"


@pytest.mark.parametrize(
    "url",
    [
        "https://accounts.example.com",
        "http://127.0.0.1.example.com:80",
        "http://127.0.0.1:80@example.com:80",
        "127.0.0.1",
    ],
)
def test_google_url_must_be_on_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="GOOGLE_URL must be an address on this machine"):
        read_settings({"GOOGLE_URL": url}, database="x.db")
