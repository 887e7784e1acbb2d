from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from server.configuration.settings import (
    NoAccess,
    Settings,
    SettingsError,
    freewheel_access,
    google_ad_manager_access,
    interchange_access,
    load,
    misspelt_safety_settings,
    unknown_variables,
)
from tests.support import live_settings
from tools.freewheel.auth import ClientCredentials, PasswordGrant

SECRET = SecretStr("s3cr3t")


def freewheel(**given: Any) -> Settings:
    return Settings(environment="live", **given)


def test_without_any_variable_it_is_the_sandbox() -> None:
    assert load().environment == "sandbox"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "")
    monkeypatch.setenv("ADOPS_FREEWHEEL_TOKEN", "")
    settings = load()
    assert settings.environment == "sandbox"
    assert settings.freewheel_token is None


def test_a_field_of_a_bundles_form_that_nobody_filled_in_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("environment", "data_dir", "freewheel_token", "gam_service_account_file"):
        monkeypatch.setenv(f"ADOPS_{name.upper()}", f"${{user_config.{name}}}")
    assert load().model_fields_set == set()


@pytest.mark.parametrize("name", ["read_only", "toolsets", "tools", "confirm"])
def test_one_that_would_take_something_away_from_agents_is_refused_when_it_was_not_filled_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ADOPS_{name.upper()}", f"${{user_config.{name}}}")
    with pytest.raises(SettingsError, match=f"ADOPS_{name.upper()}"):
        load()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ADOPS_ENVIRONMENT", "prod", "Input should be 'sandbox', 'staging' or 'live'"),
        ("ADOPS_LOG_LEVEL", "chatty", "Input should be 'DEBUG'"),
        ("ADOPS_INTERCHANGE_BASE_URL", "api.interchange.example", "is not a URL"),
        ("ADOPS_INTERCHANGE_BASE_URL", "http://127.0.0.1:abc/x", "is not a URL"),
        ("ADOPS_FREEWHEEL_BASE_URL", "http://127.0.0.1:99999", "is not a URL"),
        ("ADOPS_FREEWHEEL_BASE_URL", "https://ads.example/\x7f", "is not a URL"),
        ("ADOPS_GAM_BASE_URL", "https://xn--\N{SNOWMAN}-.example/", "is not a URL"),
        ("ADOPS_GAM_BASE_URL", "https://[::1", "is not a URL"),
        ("ADOPS_FREEWHEEL_BASE_URL", "http://:pw@127.0.0.1", "must have no user"),
        ("ADOPS_FREEWHEEL_BASE_URL", "https://ads.example/?", "must have no user, query or fragment"),
        ("ADOPS_FREEWHEEL_BASE_URL", "http://ads.example", "must be https"),
        ("ADOPS_FREEWHEEL_TOKEN_URL", "https://me:pw@ads.example/token", "must have no user"),
        ("ADOPS_READ_ONLY", "perhaps", "Input should be a valid boolean"),
        ("ADOPS_TOOLSETS", "freewheel, gma", "there is no toolset 'gma'; did you mean gam?"),
        ("ADOPS_TOOLSETS", "x", "there is no toolset 'x'; there are freewheel, interchange, gam, operations"),
        ("ADOPS_TOOLS", "list_avails,list_avail", "there is no tool 'list_avail'; did you mean list_avails?"),
        ("ADOPS_GAM_BASE_URL", "https://ads.example/?key=1", "must have no user, query or fragment"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    assert re.match(rf"{name}(: | or --)", str(caught.value))
    assert words in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("environment", ["staging", "live"])
@pytest.mark.parametrize("seconds", ["0", "3", "34.9"])
def test_where_writes_are_real_a_doubt_is_not_settled_while_its_request_may_live(
    environment: str, seconds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPS_ENVIRONMENT", environment)
    monkeypatch.setenv("ADOPS_SETTLE_AFTER", seconds)
    with pytest.raises(SettingsError, match="ADOPS_SETTLE_AFTER: must be at least 35 in staging and live"):
        load()
    monkeypatch.setenv("ADOPS_SETTLE_AFTER", "35")
    assert load().settle_after == 35
    monkeypatch.setenv("ADOPS_ENVIRONMENT", "sandbox")
    monkeypatch.setenv("ADOPS_SETTLE_AFTER", seconds)
    assert load().settle_after == float(seconds)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8750/x", "http://localhost:1", "http://[::1]:1", "https://a.example/"]
)
def test_https_and_loopback_are_allowed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_FREEWHEEL_BASE_URL", url)
    assert load().freewheel_base_url == url.rstrip("/")


def test_a_path_may_start_at_home_and_is_else_a_full_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ADOPS_DATA_DIR", "~/adops")
    assert load().data_dir == tmp_path / "adops"
    monkeypatch.setenv("ADOPS_DATA_DIR", "adops")
    with pytest.raises(SettingsError, match="ADOPS_DATA_DIR: must be a full path"):
        load()


def test_blanks_around_a_value_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADOPS_INTERCHANGE_API_KEY", "  key\n")
    assert load().interchange_api_key == SecretStr("key")


def test_no_secret_shows_when_the_settings_are_printed() -> None:
    settings = live_settings(freewheel_token=SECRET, freewheel_password=SECRET, freewheel_client_secret=SECRET)
    assert "s3cr3t" not in repr(settings)
    assert "interchange-key" not in str(settings)


@pytest.mark.parametrize("name", ["ADOPS_READONLY", "ADOPS_READ_ONLI", "ADOPS_TOOL", "ADOPS_TOOLSET"])
def test_a_misspelt_choice_of_tools_is_told_from_other_mistakes(name: str) -> None:
    assert len(misspelt_safety_settings({name: "1", "ADOPS_FREEWHEEL_PASWORD": "x"})) == 1


def test_a_misspelt_variable_is_named_with_the_one_it_may_be_meant_for() -> None:
    assert unknown_variables({"ADOPS_FREEWHEEL_PASWORD": "x", "PATH": "y", "ADOPS_LOG_LEVEL": "INFO"}) == [
        "ADOPS_FREEWHEEL_PASWORD is not a setting; did you mean ADOPS_FREEWHEEL_PASSWORD?"
    ]
    assert unknown_variables({"ADOPS_ZZZ": "x"}) == ["ADOPS_ZZZ is not a setting."]
    assert unknown_variables({"ADOPS_FREEWHEEL_TOKEN_FILE": "/x", "ADOPS_ENV_FILE": "/x", "ADOPS_KEYRING": "x"}) == []
    assert len(misspelt_safety_settings({"ADOPS_READ_ONLY_FILE": "/x"})) == 1


def test_interchange_needs_its_key() -> None:
    assert interchange_access(live_settings()) == SecretStr("interchange-key")
    away = interchange_access(Settings(environment="live"))
    assert isinstance(away, NoAccess)
    assert "ADOPS_INTERCHANGE_API_KEY" in away.fix
    assert not away.incomplete


def test_freewheel_has_three_ways_in() -> None:
    assert freewheel_access(freewheel(freewheel_token=SECRET)) == SECRET
    password = freewheel_access(freewheel(freewheel_username="me", freewheel_password=SECRET))
    assert password == PasswordGrant("me", SECRET)
    client = freewheel_access(freewheel(freewheel_client_id="me", freewheel_client_secret=SECRET))
    assert client == ClientCredentials("me", SECRET)


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ({"freewheel_username": "me"}, "set ADOPS_FREEWHEEL_PASSWORD as well."),
        ({"freewheel_password": SECRET}, "set ADOPS_FREEWHEEL_USERNAME as well."),
        ({"freewheel_client_id": "me"}, "set ADOPS_FREEWHEEL_CLIENT_SECRET as well."),
        (
            {"freewheel_token": SECRET, "freewheel_username": "me", "freewheel_password": SECRET},
            "keep only one of ADOPS_FREEWHEEL_TOKEN; ADOPS_FREEWHEEL_USERNAME and ADOPS_FREEWHEEL_PASSWORD.",
        ),
    ],
)
def test_half_a_way_into_freewheel_and_two_of_them_are_mistakes(given: dict[str, Any], fix: str) -> None:
    assert freewheel_access(freewheel(**given)) == NoAccess(fix, incomplete=True)


def test_a_service_account_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    away = google_ad_manager_access(live_settings(gam_service_account_file=tmp_path / "none.json"))
    assert isinstance(away, NoAccess)
    assert away.incomplete
    assert "ADOPS_GAM_SERVICE_ACCOUNT_FILE" in away.fix
