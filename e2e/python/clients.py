"""Clients of the public SDK, made from what the control plane wrote into first-login.json.

Two ways to authenticate, as real users do it: an AK/SK pair that signs each call, and a token of
`POST /v3/auth/tokens` in the header X-Auth-Token. TLS is verified in both.
"""

import json
from dataclasses import dataclass

import requests
from huaweicloudsdkcore.auth import credentials as sdk_credentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdksms.v3 import SmsClient


@dataclass
class Login:
    """What first-login.json says."""

    endpoint: str
    iam_endpoint: str
    ca_file: str
    domain_name: str
    domain_id: str
    project_name: str
    project_id: str
    user_name: str
    password: str
    access_key: str
    secret_key: str

    @classmethod
    def read(cls, path):
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


class BasicCredentials(sdk_credentials.BasicCredentials):
    """Sends a token where the SDK would sign.

    The SDK's builder looks at the name of this class, which is why it is called as its parent.
    """

    def __init__(self, token, project_id):
        super().__init__(ak="unused", sk="unused", project_id=project_id)
        self._token = token

    def sign_request(self, request):
        request.header_params["X-Auth-Token"] = self._token
        Signer.process_request_uri(request)
        return request


def with_keys(login):
    """A client that signs with AK/SK."""
    credentials = sdk_credentials.BasicCredentials(
        login.access_key, login.secret_key, login.project_id
    )
    return _build(login, credentials)


def with_token(login):
    """A client that sends a token, asked for with user name and password."""
    return _build(login, BasicCredentials(ask_for_token(login), login.project_id))


def ask_for_token(login):
    """A token of the project, asked for with user name and password."""
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": login.user_name,
                "password": login.password,
                "domain": {"name": login.domain_name},
            }
        },
    }
    answer = requests.post(
        f"{login.iam_endpoint}/v3/auth/tokens",
        json={"auth": {"identity": identity, "scope": {"project": {"name": login.project_name}}}},
        verify=login.ca_file,
        timeout=30,
    )
    assert answer.status_code == 201, (answer.status_code, answer.text)
    assert answer.json()["token"]["project"]["name"] == login.project_name, answer.text
    return answer.headers["X-Subject-Token"]


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
