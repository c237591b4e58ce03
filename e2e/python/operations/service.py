"""What concerns the service as a whole: versions, configuration, consent."""

from huaweicloudsdkcore.exceptions.exceptions import ConnectionException
from huaweicloudsdksms.v3 import (
    CreatePrivacyAgreementsRequest,
    ListApiVersionRequest,
    ShowApiVersionRequest,
    ShowConfigRequest,
    ShowPrivacyAgreementsRequest,
)

from operations.recording import refused


def versions(world):
    client = world.client
    listed = client.list_api_version(ListApiVersionRequest()).versions
    assert [version.id for version in listed] == ["v3"], listed
    shown = client.show_api_version(ShowApiVersionRequest(version="v3"))
    assert (shown.id, shown.status) == ("v3", "SUPPORTED"), shown
    assert shown.links and shown.links[0].rel == "self", shown
    refused(lambda: client.show_api_version(ShowApiVersionRequest(version="v9")), 404)
    # Versions are told to everybody; but nobody is believed whom the CA does not know.
    try:
        world.without_ca.list_api_version(ListApiVersionRequest())
    except ConnectionException:
        return
    raise AssertionError("an unknown certificate was trusted")


def configuration(world):
    config = world.client.show_config(ShowConfigRequest())
    assert isinstance(config.config, dict), config
    regions = [region.get("region_name") for region in config.regions]
    assert world.login.project_name in regions, regions
    refused(lambda: world.stranger().show_config(ShowConfigRequest()), 401)


def consent(world):
    client = world.client
    show, create = ShowPrivacyAgreementsRequest(), CreatePrivacyAgreementsRequest()
    assert client.show_privacy_agreements(show).flag is False
    client.create_privacy_agreements(create)
    assert client.show_privacy_agreements(show).flag is True
    client.create_privacy_agreements(create)
    refused(lambda: world.stranger().show_privacy_agreements(show), 401)
    refused(lambda: world.stranger().create_privacy_agreements(create), 401)


PARTS = [versions, configuration, consent]
