"""Server templates, and the password of a target that is made from one."""

from huaweicloudsdksms.v3 import (
    CreateTemplateReq,
    CreateTemplateRequest,
    DeleteTemplateRequest,
    DeletetemplatesReq,
    DeleteTemplatesRequest,
    ListTemplatesRequest,
    Nics,
    PublicIp,
    SgObject,
    ShowTargetPasswordRequest,
    ShowTemplateRequest,
    TargetServerByTask,
    TemplateDisk,
    TemplateRequest,
    UpdateTemplateReq,
    UpdateTemplateRequest,
    VpcObject,
)

from agent_flow import change_state, command, obey
from operations.recording import refused
from operations.world import NOBODY
from operator_flow import act

PASSWORD = "Only-for-this-test-1"


def life_of_a_template(world):
    client = world.client
    name = world.name("template")
    template_id = create(client, name)
    shown = client.show_template(ShowTemplateRequest(id=template_id)).template
    assert (shown.id, shown.name, shown.is_template) == (template_id, name, "true"), shown
    assert shown.vpc.id == "autoCreate" and shown.nics[0].id == "autoCreate", shown
    assert (shown.disk[0].size, shown.publicip.bandwidth_size) == (40, 5), shown
    assert PASSWORD not in str(shown), "a password is told by its own call only"
    refused(lambda: create(client, name), 400, "SMS.7112")
    refused(lambda: create(client, "x" * 65))
    refused(lambda: client.show_template(ShowTemplateRequest(id=NOBODY)), 404, "SMS.7101")

    update(client, template_id, f"{name}-renamed")
    shown = client.show_template(ShowTemplateRequest(id=template_id)).template
    assert shown.name == f"{name}-renamed", shown
    refused(lambda: update(client, NOBODY, name), 404, "SMS.7101")

    delete(client, template_id)
    refused(lambda: delete(client, template_id), 404, "SMS.7101")


def lists(world):
    client = world.client
    name = world.name("template")
    template_id = create(client, name)
    by_name = client.list_templates(ListTemplatesRequest(name=name))
    assert [template.id for template in by_name.templates] == [template_id], by_name
    by_id = client.list_templates(ListTemplatesRequest(id=template_id, region="rehost"))
    assert by_id.count == 1, by_id
    nothing = client.list_templates(ListTemplatesRequest(availability_zone="nowhere"))
    assert (nothing.count, nothing.templates) == (0, []), nothing
    refused(lambda: client.list_templates(ListTemplatesRequest(limit=101)))


def a_password_is_readable_while_copying(world):
    """An agent of somebody else makes the target from the template and brings the disks over."""
    client = world.client
    template_id, source_id = create(client, world.name("template")), world.source("by-template")
    read = ShowTargetPasswordRequest(id=template_id)
    refused(lambda: client.show_target_password(read), 400, "SMS.9905")
    refused(lambda: client.show_target_password(ShowTargetPasswordRequest(id=NOBODY)), 404)
    target = TargetServerByTask(
        name="made-for-this", disks=world.task_body(source_id).target_server.disks,
        volume_groups=[], btrfs_list=[],
    )
    task_id = world.task(
        source_id, target_server=target, vm_template_id=template_id, exist_server=False
    )
    act(client, task_id, "start")
    assert command(client, source_id).command_name == "START"
    obey(client, source_id, "START", task_id)
    change_state(client, source_id, "replicate", "replicating")
    told = client.show_target_password(read)
    assert (told.template_id, told.target_password) == (template_id, PASSWORD), "password"
    refused(lambda: delete(client, template_id), 400, "SMS.7111")
    act(client, task_id, "stop")
    obey(client, source_id, "STOP", task_id)
    refused(lambda: client.show_target_password(read), 400, "SMS.9905")
    world.remove_task(source_id, task_id)
    delete(client, template_id)


def several_are_deleted(world):
    client = world.client
    several = [create(client, world.name("template")) for _ in range(3)]
    delete_all(client, several)
    left = client.list_templates(ListTemplatesRequest()).templates
    assert not set(several) & {template.id for template in left}, left
    refused(lambda: delete_all(client, []))


def create(client, name):
    body = CreateTemplateReq(template=described(name))
    return client.create_template(CreateTemplateRequest(body=body)).id


def update(client, template_id, name):
    body = UpdateTemplateReq(template=described(name))
    client.update_template(UpdateTemplateRequest(id=template_id, body=body))


def delete(client, template_id):
    client.delete_template(DeleteTemplateRequest(id=template_id))


def delete_all(client, template_ids):
    body = DeletetemplatesReq(ids=template_ids)
    client.delete_templates(DeleteTemplatesRequest(body=body))


def described(name):
    return TemplateRequest(
        name=name, is_template=True, region="rehost", projectid="p" * 32,
        target_server_name="target", availability_zone="zone-1", volumetype="SSD",
        flavor="s6.large.2", vpc=VpcObject(id="autoCreate", name="autoCreate"),
        nics=[Nics(id="autoCreate", name="autoCreate", cidr="", ip="")],
        security_groups=[SgObject(id="autoCreate", name="autoCreate")],
        publicip=PublicIp(type="5_bgp", bandwidth_size=5),
        disk=[TemplateDisk(id=1, index=0, name="system", disktype="SSD", size=40, device_use="OS")],
        data_volume_type="SSD", target_password=PASSWORD, image_id="",
    )


PARTS = [life_of_a_template, lists, a_password_is_readable_while_copying, several_are_deleted]
