"""Clients of the public SDK, made from what the control plane wrote into first-login.json.

Two ways to authenticate, as real users do it: an AK/SK pair that signs each call, and a token of
`POST /v3/auth/tokens` in the header X-Auth-Token. TLS is verified in both.
"""

import json
from dataclasses import dataclass

import requests
from huaweicloudsdkcore.auth import credentials as sdk_credentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdksms.v3 import SmsClient


@dataclass
class Login:
    """What first-login.json says."""

    endpoint: str
    ca_file: str
    access_key: str
    secret_key: str
    user: str
    password: str
    domain: str
    project: str
    project_id: str

    @classmethod
    def read(cls, path, ca_file):
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        names = [name for name in cls.__dataclass_fields__ if name != "ca_file"]
        return cls(ca_file=ca_file, **{name: content[name] for name in names})


class BasicCredentials(sdk_credentials.BasicCredentials):
    """Sends a token where the SDK would sign.

    The SDK's builder looks at the name of this class, which is why it is called as its parent.
    """

    def __init__(self, token, project_id):
        super().__init__(ak="unused", sk="unused", project_id=project_id)
        self._token = token

    def sign_request(self, request):
        request.header_params["X-Auth-Token"] = self._token
        return request


def with_keys(login):
    """A client that signs with AK/SK."""
    credentials = sdk_credentials.BasicCredentials(
        login.access_key, login.secret_key, login.project_id
    )
    return _build(login, credentials)


def with_token(login):
    """A client that sends a token, asked for with user name and password."""
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": login.user,
                "password": login.password,
                "domain": {"name": login.domain},
            }
        },
    }
    answer = requests.post(
        f"{login.endpoint}/v3/auth/tokens",
        json={"auth": {"identity": identity, "scope": {"project": {"name": login.project}}}},
        verify=login.ca_file,
        timeout=30,
    )
    assert answer.status_code == 201, (answer.status_code, answer.text)
    assert answer.json()["token"]["project"]["name"] == login.project, answer.text
    token = answer.headers["X-Subject-Token"]
    return _build(login, BasicCredentials(token, login.project_id))


def _build(login, credentials):
    config = HttpConfig.get_default_config()
    config.ssl_ca_cert = login.ca_file
    config.timeout = (10, 60)
    return (
        SmsClient.new_builder()
        .with_http_config(config)
        .with_credentials(credentials)
        .with_endpoint(login.endpoint)
        .build()
    )
