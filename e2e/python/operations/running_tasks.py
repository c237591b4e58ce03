"""A task while it runs: what its agent asks and reports, and what is made of it."""

from huaweicloudsdksms.v3 import (
    BatchConsistencyReq,
    BatchGetConsistencyResultReq,
    CollectLogRequest,
    ConsistencyResult,
    ExportConsistencyResultsRequest,
    ListServersRequest,
    NetworkCheckInfoRequestBody,
    PutTaskReq,
    SetConsistencyResultRequestBody,
    ShowCertKeyRequest,
    ShowConsistencyResultRequest,
    ShowPassphraseRequest,
    UpdateConsistencyResultRequest,
    UpdateNetworkCheckInfoRequest,
    UpdateTaskRequest,
    UploadLogRequestBody,
)

from agent_flow import change_state, command, obey, report, show, show_task, subtasks
from operations.recording import refused
from operations.world import NOBODY
from operator_flow import act


def started(world):
    """A task that copies, with its source."""
    client = world.client
    source_id = world.source("running")
    task_id = world.task(source_id)
    act(client, task_id, "start")
    assert command(client, source_id).command_name == "START"
    obey(client, source_id, "START", task_id)
    change_state(client, source_id, "replicate", "replicating")
    return source_id, task_id


def secrets(world):
    client = world.client
    _, task_id = started(world)
    keys = client.show_cert_key(ShowCertKeyRequest(task_id=task_id, enable_ca_cert=True))
    for text in (keys.cert, keys.private_key, keys.ca, keys.target_data_cert):
        assert text.startswith("-----BEGIN "), "a certificate or a key"
    without = client.show_cert_key(ShowCertKeyRequest(task_id=task_id, enable_ca_cert=False))
    assert not without.ca, "the CA comes when it is asked for"
    told = client.show_passphrase(ShowPassphraseRequest(task_id=task_id))
    assert told.task_id == task_id and told.passphrase, "passphrase"
    refused(lambda: client.show_cert_key(ShowCertKeyRequest(task_id=NOBODY)), 404)
    refused(lambda: client.show_passphrase(ShowPassphraseRequest(task_id=NOBODY)), 404)


def progress(world):
    client = world.client
    source_id, task_id = started(world)
    report(client, task_id, "SSL_CONFIG", 100)
    report(client, task_id, "MIGRATE_LINUX_BLOCK", 40)
    shown = subtasks(client, task_id)
    assert (shown["SSL_CONFIG"], shown["MIGRATE_LINUX_BLOCK"]) == (100, 40), shown
    refused(lambda: report(client, task_id, "MIGRATE_LINUX_BLOCK", 101), 400, "SMS.6101")
    refused(lambda: report(client, task_id, "NO_SUCH_SUBTASK", 1), 400, "SMS.6004")
    refused(lambda: report(client, NOBODY, "SSL_CONFIG", 1), 404)
    current = show(client, source_id).current_task
    assert (current.id, current.subtask_info) == (task_id, "MIGRATE_LINUX_BLOCK-40"), current
    listed = client.list_servers(ListServersRequest(id=source_id)).source_servers[0]
    assert listed.current_task.id == task_id, listed


def notes_of_the_agent(world):
    client = world.client
    _, task_id = started(world)
    body = PutTaskReq(
        migration_ip="192.0.2.77", image_disk_id="disk-1", target_disk_ids="disk-2 disk-3",
        snapshot_ids="snapshot-1;snapshot-2", cutovered_snapshot_ids="snapshot-3",
    )
    answer = client.update_task(UpdateTaskRequest(task_id=task_id, body=body))
    assert answer.id == task_id, answer
    shown = show_task(client, task_id)
    assert shown.migration_ip == "192.0.2.77", shown
    assert shown.target_server.image_disk_id == "disk-1", shown
    assert shown.target_server.cutovered_snapshot_ids == "snapshot-3", shown
    nobody = UpdateTaskRequest(task_id=NOBODY, body=body)
    refused(lambda: client.update_task(nobody), 404)


def network(world):
    client = world.client
    _, task_id = started(world)
    body = NetworkCheckInfoRequestBody(
        domain_connectivity=True, destination_connectivity=True, network_delay=1.5,
        network_jitter=0.25, migration_speed=900.0, loss_percentage=0.0, cpu_usage=10.0,
        mem_usage=20.0, evaluation_result="SUCCESS",
    )
    request = UpdateNetworkCheckInfoRequest(task_id=task_id, body=body)
    assert client.update_network_check_info(request).task_id == task_id
    shown = show_task(client, task_id).network_check_info
    assert (float(shown.network_delay), shown.evaluation_result) == (1.5, "SUCCESS"), shown
    nobody = UpdateNetworkCheckInfoRequest(task_id=NOBODY, body=body)
    refused(lambda: client.update_network_check_info(nobody), 404)


def consistency(world):
    client = world.client
    source_id, task_id = started(world)
    result = ConsistencyResult(
        dir_check="/srv", num_total_files=10, num_different_files=1, num_target_miss_files=2,
        num_target_more_files=3,
    )
    body = SetConsistencyResultRequestBody(consistency_result=[result])
    client.update_consistency_result(UpdateConsistencyResultRequest(task_id=task_id, body=body))
    told = client.show_consistency_result(ShowConsistencyResultRequest(task_id=task_id))
    assert told.task_id == task_id and "/srv" in str(told.result_list), told
    found = client.list_servers(ListServersRequest(id=source_id, is_consistency_result_exist=True))
    assert found.count == 1, found
    nobody = UpdateConsistencyResultRequest(task_id=NOBODY, body=body)
    refused(lambda: client.update_consistency_result(nobody), 404)
    missing = ShowConsistencyResultRequest(task_id=NOBODY)
    refused(lambda: client.show_consistency_result(missing), 404)

    exported = export(client, [(task_id, source_id)])
    assert b"/srv" in exported and source_id.encode() in exported, exported
    refused(lambda: export(client, []), 400)


def export(client, of):
    body = BatchGetConsistencyResultReq(
        task_info=[
            BatchConsistencyReq(task_id=task_id, source_id=source_id, source_name=source_id)
            for task_id, source_id in of
        ]
    )
    request = ExportConsistencyResultsRequest(x_language="en-us", body=body)
    contents = []
    answer = client.export_consistency_results(request)
    answer.consume_download_stream(lambda stream: contents.append(stream.content))
    return contents[0]


def logs(world):
    client = world.client
    waiting = world.task(world.source("not-started"))
    refused(lambda: collect_log(client, waiting), 400, "SMS.7717")
    source_id, task_id = started(world)
    collect_log(client, task_id)
    refused(lambda: collect_log(client, task_id), 400, "SMS.7716")
    order = command(client, source_id)
    assert (order.command_name, order.command_param.bucket) == ("UPLOAD_LOG", "logs"), order
    obey(client, source_id, "UPLOAD_LOG", task_id)
    collect_log(client, task_id)


def collect_log(client, task_id):
    body = UploadLogRequestBody(log_bucket="logs")
    client.collect_log(CollectLogRequest(task_id=task_id, body=body))


PARTS = [secrets, progress, notes_of_the_agent, network, consistency, logs]
