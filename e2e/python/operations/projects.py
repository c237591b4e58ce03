"""Migration projects."""

from huaweicloudsdksms.v3 import (
    CreateMigprojectRequest,
    DeleteMigprojectRequest,
    ListMigprojectsRequest,
    ListServersRequest,
    MigProject,
    PostMigProjectBody,
    PutSourceServerBody,
    ShowMigprojectRequest,
    UpdateDefaultMigprojectRequest,
    UpdateMigprojectRequest,
    UpdateServerNameRequest,
)

from operations.recording import refused
from operations.world import NOBODY


def life_of_a_project(world):
    client = world.client
    name = world.name("project")
    project_id = create(client, name, description="first", speed_limit=10)
    shown = show(client, project_id)
    assert (shown.name, shown.description, shown.speed_limit) == (name, "first", 10), shown
    # Defaults of the reference.
    assert shown.start_target_server and shown.use_public_ip and shown.exist_server, shown
    assert not shown.syncing and not shown.isdefault, shown
    refused(lambda: create(client, name), 400, "SMS.7312")
    refused(lambda: create(client, ""))
    refused(lambda: create(client, world.name("project"), type="MIGRATE_BY_MAGIC"))
    refused(lambda: show(client, NOBODY), 404, "SMS.7301")

    update(client, project_id, name=name, syncing=True, speed_limit=20)
    shown = show(client, project_id)
    assert (shown.syncing, shown.speed_limit) == (True, 20), shown
    refused(lambda: update(client, project_id, name=name, speed_limit=1001))
    refused(lambda: update(client, NOBODY, name=name), 404, "SMS.7301")


def lists(world):
    client = world.client
    project_id = create(client, world.name("project"))
    listed = client.list_migprojects(ListMigprojectsRequest())
    assert project_id in [project.id for project in listed.migprojects], listed
    assert listed.count == len(listed.migprojects), listed
    beyond = client.list_migprojects(ListMigprojectsRequest(limit=10, offset=1000))
    assert (beyond.count, beyond.migprojects) == (listed.count, []), beyond
    refused(lambda: client.list_migprojects(ListMigprojectsRequest(limit=101)))


def one_is_the_default(world):
    client = world.client
    project_id, other_id = create(client, world.name("project")), create(client, world.name("project"))
    for chosen in (project_id, other_id):
        set_default(client, chosen)
        projects = client.list_migprojects(ListMigprojectsRequest()).migprojects
        assert [project.id for project in projects if project.isdefault] == [chosen], projects
    refused(lambda: set_default(client, NOBODY), 404, "SMS.7301")
    refused(lambda: delete(client, other_id), 400, "SMS.7303")
    delete(client, project_id)
    refused(lambda: delete(client, project_id), 404, "SMS.7301")


def sources_hold_a_project(world):
    client = world.client
    project_id, source_id = create(client, world.name("project")), world.source("in-project")
    body = PutSourceServerBody(migprojectid=project_id)
    client.update_server_name(UpdateServerNameRequest(source_id=source_id, body=body))
    members = client.list_servers(ListServersRequest(migproject=project_id)).source_servers
    assert [source.id for source in members] == [source_id], members
    refused(lambda: delete(client, project_id), 400, "SMS.7311")


def create(client, name, **members):
    body = {"name": name, "region": "rehost", "type": "MIGRATE_BLOCK"}
    body = PostMigProjectBody(**{**body, **members})
    return client.create_migproject(CreateMigprojectRequest(body=body)).id


def update(client, project_id, **members):
    body = MigProject(region="rehost", type="MIGRATE_BLOCK", **members)
    client.update_migproject(UpdateMigprojectRequest(mig_project_id=project_id, body=body))


def show(client, project_id):
    return client.show_migproject(ShowMigprojectRequest(mig_project_id=project_id))


def set_default(client, project_id):
    client.update_default_migproject(UpdateDefaultMigprojectRequest(mig_project_id=project_id))


def delete(client, project_id):
    client.delete_migproject(DeleteMigprojectRequest(mig_project_id=project_id))


PARTS = [life_of_a_project, lists, one_is_the_default, sources_hold_a_project]
