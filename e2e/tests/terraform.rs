//! The promise: what drives SMS drives Rehost. What the Terraform provider asks when it makes, reads,
//! changes and destroys its resources is asked here in its spelling, and every answer is decoded into
//! its types, on both databases.

use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_e2e::golang::{Access, Golang};
use rehost_e2e::on_both_databases;
use rehost_e2e::provider_types::{
    CloudServerAnswer, Configurations, Created, Domains, MigrationProject, Passphrase, Projects,
    Source, SourceRow, SpeedLimits, Task, Template, TemplateAnswer, TokenAnswer, Users, Versions,
};
use rehost_testkit::{SHORT, Site, until};
use serde_json::{Value, json};

const GIB: u64 = 1 << 30;

on_both_databases! {
    it_finds_its_project_and_account
    it_logs_in_with_a_password
    it_finds_iam_by_its_versions
    it_manages_migration_projects
    it_manages_server_templates
    it_manages_source_servers
    it_starts_changes_and_destroys_a_task
    it_makes_a_task_from_a_template
    it_reads_a_target_as_a_cloud_server
}

/// With an access key, the provider asks for two ids at its start.
fn it_finds_its_project_and_account(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    assert!(provider.project_id.is_some() && provider.domain_id.is_some());
    let user = login(site)?.text("user_name")?;
    let users: Users = provider
        .request("GET", &format!("/v3/users?name={user}"), None)?
        .decode()?;
    let names: Vec<&String> = users.users.iter().map(|user| &user.name).collect();
    assert_eq!(names, [&user]);
    let nowhere: Projects = provider
        .request("GET", "/v3/projects?name=nowhere", None)?
        .decode()?;
    assert!(nowhere.projects.is_empty(), "{nowhere:?}");
    Ok(())
}

/// With user and password, it asks for a token of the project, and for one of the account.
fn it_logs_in_with_a_password(site: &mut Site) -> Result<()> {
    let login = login(site)?;
    let mut provider = Golang::new(site.api_port(), &site.ca_file())?;
    let scopes = [
        json!({"project": {"name": login.text("project_name")?}}),
        json!({"domain": {"name": login.text("domain_name")?}}),
    ];
    for scope in scopes {
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": login.text("user_name")?,
                "password": login.text("password")?,
                "domain": {"name": login.text("domain_name")?},
            }}},
            "scope": scope,
        }});
        let answer = provider.request("POST", "/v3/auth/tokens", Some(&body))?;
        let token = answer.header("X-Subject-Token").context("the token")?;
        let told: TokenAnswer = answer.decode()?;
        assert!(!told.token.expires_at.is_empty(), "{told:?}");
        if scope["project"].is_object() {
            assert_eq!(told.token.project.id, login.text("project_id")?);
            assert_eq!(told.token.project.domain.id, login.text("domain_id")?);
        }
        provider.access = Access::Token(token.to_owned());
        let found: Vec<SourceRow> = provider.pages("/v3/sources", "source_servers")?;
        assert!(found.is_empty(), "{found:?}");
        provider.access = Access::Nothing;
    }
    Ok(())
}

/// An address of IAM that does not end in `/v3` is asked for its versions, by nobody in particular.
fn it_finds_iam_by_its_versions(site: &mut Site) -> Result<()> {
    let iam = login(site)?.text("iam_endpoint")?;
    let base = iam
        .strip_prefix(&site.endpoint())
        .context("IAM is at the address of the control plane")?;
    let provider = Golang::new(site.api_port(), &site.ca_file())?;
    let versions: Versions = provider
        .request("GET", &format!("{base}/"), None)?
        .decode()?;
    let found = versions.versions.values.iter().find_map(|version| {
        let stable = ["stable", "current", "supported"].contains(&version.status.as_str());
        let link = version.links.iter().find(|link| link.rel == "self")?;
        (stable && version.id.starts_with("v3")).then_some(&link.href)
    });
    assert_eq!(
        found.map(|href| href.trim_end_matches('/')),
        Some(format!("{iam}/v3").as_str())
    );
    Ok(())
}

fn it_manages_migration_projects(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let body = |description: &str, speed: u32| {
        json!({
            "name": "terraform", "description": description, "region": "rehost",
            "start_target_server": true, "speed_limit": speed, "use_public_ip": false,
            "exist_server": true, "type": "MIGRATE_BLOCK", "syncing": false,
        })
    };
    let id = create(&provider, "/v3/migprojects", &body("", 0))?;
    let path = format!("/v3/migprojects/{id}");
    provider.request("PUT", &format!("{path}/default"), Some(&json!({})))?;
    let read: MigrationProject = provider.request("GET", &path, None)?.decode()?;
    assert_eq!((read.name.as_str(), read.isdefault), ("terraform", true));
    assert!(!read.use_public_ip && read.start_target_server && read.exist_server);

    provider.request("PUT", &path, Some(&body("changed", 25)))?;
    let read: MigrationProject = provider.request("GET", &path, None)?.decode()?;
    assert_eq!(
        (read.description.as_str(), read.speed_limit),
        ("changed", 25)
    );
    assert!(read.isdefault, "an update does not take the mark away");

    // The resource that only moves the mark.
    let other = json!({"name": "other", "description": "", "region": "rehost", "speed_limit": 0,
        "use_public_ip": true, "exist_server": true, "type": "MIGRATE_FILE", "syncing": true});
    let other = create(&provider, "/v3/migprojects", &other)?;
    provider.request(
        "PUT",
        &format!("/v3/migprojects/{other}/default"),
        Some(&json!({})),
    )?;
    let all: Vec<MigrationProject> = provider.pages("/v3/migprojects", "migprojects")?;
    let marked: Vec<&String> = all
        .iter()
        .filter(|project| project.isdefault)
        .map(|project| &project.id)
        .collect();
    assert_eq!(marked, [&other]);

    provider.request("DELETE", &path, Some(&json!([id])))?;
    provider.is_gone(&path)
}

fn it_manages_server_templates(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let project_id = provider.project_id.clone().context("project")?;
    let id = create(
        &provider,
        "/v3/vm/templates",
        &template("terraform", &project_id),
    )?;
    let path = format!("/v3/vm/templates/{id}");
    let read: TemplateAnswer = provider.request("GET", &path, None)?.decode()?;
    let read = read.template;
    assert_eq!(
        (read.name.as_str(), read.is_template.as_str()),
        ("terraform", "true")
    );
    assert_eq!(
        (read.projectid.as_str(), read.volumetype.as_str()),
        (project_id.as_str(), "SAS")
    );
    assert_eq!((read.vpc.id.as_str(), read.nics.len()), ("autoCreate", 1));
    assert_eq!(read.publicip.bandwidth_size, 10);

    provider.request("PUT", &path, Some(&template("changed", &project_id)))?;
    let listed: Vec<Template> = provider.pages(
        "/v3/vm/templates?limit=100&name=changed&offset=0",
        "templates",
    )?;
    let ids: Vec<&String> = listed.iter().map(|template| &template.id).collect();
    assert_eq!(ids, [&id]);
    provider.request("DELETE", &path, None)?;
    provider.is_gone(&path)
}

fn it_manages_source_servers(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let id = create(&provider, "/v3/sources", &source("terraform"))?;
    let path = format!("/v3/sources/{id}");
    let listed: Vec<SourceRow> =
        provider.pages("/v3/sources?name=terraform&state=waiting", "source_servers")?;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0].id, id);
    assert_eq!(listed[0].memory, 4_018_196_480);
    assert!(listed[0].add_date > 1_000_000_000_000, "milliseconds");
    assert_eq!(listed[0].init_target_server.disks.len(), 2);

    // Ids come as numbers and go back as numbers.
    let read: Source = provider.request("GET", &path, None)?.decode()?;
    let [first, second] = read.disks.as_slice() else {
        anyhow::bail!("two disks: {read:?}");
    };
    assert_ne!(first.id, second.id, "disks are told apart by their ids");
    let change = json!({"name": "renamed", "disks": [
        {"id": first.id, "adjust_size": first.adjust_size, "need_migration": true},
        {"id": second.id, "adjust_size": second.adjust_size, "need_migration": false},
    ]});
    provider.request("PUT", &path, Some(&change))?;
    let read: Source = provider.request("GET", &path, None)?.decode()?;
    let needed: Vec<bool> = read.disks.iter().map(|disk| disk.need_migration).collect();
    assert_eq!((read.name.as_str(), needed), ("renamed", vec![true, false]));

    let state = json!({"copystate": "unavailable", "migrationcycle": "checking"});
    provider.request("PUT", &format!("{path}/changestate"), Some(&state))?;
    let read: Source = provider.request("GET", &path, None)?.decode()?;
    assert_eq!(
        (read.state.as_str(), read.migration_cycle.as_str()),
        ("unavailable", "checking")
    );
    provider.request("DELETE", &path, None)?;
    provider.is_gone(&path)
}

fn it_starts_changes_and_destroys_a_task(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let source = create(&provider, "/v3/sources", &source("terraform"))?;
    let target = target(site)?;
    let mut body = task(&provider, &source)?;
    body["target_server"]["name"] = json!(site.target());
    body["target_server"]["vm_id"] = json!(target);
    body["exist_server"] = json!(true);
    let id = create(&provider, "/v3/tasks", &body)?;
    let path = format!("/v3/tasks/{id}");
    assert_eq!(state(&provider, &path)?, "READY");
    act(&provider, &path, "start")?;
    until("the task runs", SHORT, || {
        let state = state(&provider, &path)?;
        assert!(
            state == "READY" || state == "RUNNING",
            "the wait ends at {state}"
        );
        Ok((state == "RUNNING").then_some(()))
    })?;

    // Limits and options come after the start, with null for what is not set.
    let limits = json!({"speed_limit": [
        {"start": "00:00", "end": "12:00", "speed": 1000, "over_speed_threshold": null},
        {"start": "12:00", "end": "23:59", "speed": 100, "over_speed_threshold": 60},
    ]});
    provider.request("POST", &format!("{path}/speed-limit"), Some(&limits))?;
    let options = json!({"configurations": [
        {"config_key": "LINUX_CPU_LIMIT", "config_value": "60", "config_status": "testA"},
        {"config_key": "LINUX_MEM_LIMIT", "config_value": "500", "config_status": null},
    ]});
    provider.request(
        "POST",
        &format!("{path}/configuration-setting"),
        Some(&options),
    )?;

    let read = read_task(&provider, &path)?;
    assert_eq!(read.task.source_server.id, source);
    assert_eq!(read.task.target_server.vm_id, target);
    assert_eq!(read.task.target_server.disks.len(), 2);
    assert!(read.task.use_public_ip && read.task.syncing && read.task.start_target_server);
    assert_eq!(read.limits, [("00:00".into(), 1000), ("12:00".into(), 100)]);
    let cpu = read
        .options
        .configurations
        .iter()
        .find(|option| option.config_key == "LINUX_CPU_LIMIT");
    let cpu = cpu.map(|option| (option.config_value.as_str(), option.config_status.as_str()));
    assert_eq!(cpu, Some(("60", "testA")));
    assert_eq!(read.options.migrate_type, "LINUX_MIGRATE_BLOCK");
    let row: Vec<SourceRow> =
        provider.pages(&format!("/v3/sources?id={source}"), "source_servers")?;
    let current = row.first().context("the source")?.current_task.clone();
    assert_eq!(
        (current.id.as_str(), current.clone_server),
        (id.as_str(), None)
    );

    // An update: all limits and options are taken away, and the task is stopped.
    for list in ["speed-limit", "configuration-setting"] {
        provider.request("POST", &format!("{path}/{list}"), Some(&json!({})))?;
    }
    let read = read_task(&provider, &path)?;
    assert_eq!(read.limits, []);
    assert_eq!(read.options.configurations.len(), 0);
    obey(&provider, &source, "START", &id)?;
    act(&provider, &path, "stop")?;
    obey(&provider, &source, "STOP", &id)?;
    assert_eq!(state(&provider, &path)?, "ABORT");
    destroy(&provider, &source, &id)
}

/// As the provider's own acceptance test has it.
fn it_makes_a_task_from_a_template(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let project_id = provider.project_id.clone().context("project")?;
    let source = create(&provider, "/v3/sources", &source("terraform"))?;
    let template = create(
        &provider,
        "/v3/vm/templates",
        &template("terraform", &project_id),
    )?;
    let mut body = task(&provider, &source)?;
    for (member, value) in [
        ("vm_template_id", json!(template)),
        ("exist_server", json!(false)),
        ("auto_start", json!(true)),
        ("use_ipv6", json!(true)),
        ("start_network_check", json!(true)),
        ("speed_limit", json!(10)),
        ("over_speed_threshold", json!(50)),
        ("is_need_consistency_check", json!(true)),
        ("need_migration_test", json!(true)),
    ] {
        body[member] = value;
    }
    let id = create(&provider, "/v3/tasks", &body)?;
    let read = read_task(&provider, &format!("/v3/tasks/{id}"))?;
    assert_eq!(read.task.state, "READY", "right after it was made");
    assert_eq!(read.task.vm_template_id, template);
    assert_eq!(read.task.speed_limit, 10);
    assert!(
        read.task.use_ipv6 && read.task.need_migration_test,
        "{:?}",
        read.task
    );
    assert_eq!(read.task.target_server.disks.len(), 2);
    destroy(&provider, &source, &id)
}

/// For a target that exists, the provider asks the cloud for the name of the server.
fn it_reads_a_target_as_a_cloud_server(site: &mut Site) -> Result<()> {
    let provider = start(site)?;
    let (project, target) = (
        provider.project_id.clone().context("project")?,
        target(site)?,
    );
    let read: CloudServerAnswer = provider
        .request("GET", &format!("/v1/{project}/cloudservers/{target}"), None)?
        .decode()?;
    assert_eq!(
        (read.server.id, read.server.name.as_str()),
        (target, site.target())
    );
    Ok(())
}

/// What the resource reads of a task.
struct TaskRead {
    task: Task,
    limits: Vec<(String, i64)>,
    options: Configurations,
}

fn read_task(provider: &Golang, path: &str) -> Result<TaskRead> {
    let get = |part: &str| provider.request("GET", &format!("{path}{part}"), None);
    let limits: SpeedLimits = get("/speed-limit")?.decode()?;
    let secret: Passphrase = get("/passphrase")?.decode()?;
    assert!(!secret.passphrase.is_empty());
    Ok(TaskRead {
        task: get("")?.decode()?,
        limits: limits
            .speed_limit
            .into_iter()
            .map(|limit| (limit.start, limit.speed))
            .collect(),
        options: get("/configuration-setting")?.decode()?,
    })
}

/// Destroys a task, while its agent does what it is told; then only 404 ends the resource.
fn destroy(provider: &Golang, source: &str, task: &str) -> Result<()> {
    let path = format!("/v3/tasks/{task}");
    provider.request("DELETE", &path, None)?;
    until("the task is gone", SHORT, || {
        let command: Value = provider
            .request("GET", &format!("/v3/sources/{source}/command"), None)?
            .decode()?;
        if command["command_name"] == "DELETE" {
            obey(provider, source, "DELETE", task)?;
        }
        Ok((provider.send("GET", &path, None)?.status == 404).then_some(()))
    })?;
    provider.is_gone(&path)
}

/// The agent of the source has done what it was told.
fn obey(provider: &Golang, source: &str, command: &str, task: &str) -> Result<()> {
    let result = json!({"command_name": command, "result": "success",
        "result_detail": {"task_id": task}});
    provider.request(
        "POST",
        &format!("/v3/sources/{source}/command_result"),
        Some(&result),
    )?;
    Ok(())
}

fn act(provider: &Golang, path: &str, operation: &str) -> Result<()> {
    let body = json!({"operation": operation});
    provider.request("POST", &format!("{path}/action"), Some(&body))?;
    Ok(())
}

fn state(provider: &Golang, path: &str) -> Result<String> {
    let task: Task = provider.request("GET", path, None)?.decode()?;
    Ok(task.state)
}

fn create(provider: &Golang, path: &str, body: &Value) -> Result<String> {
    let created: Created = provider.request("POST", path, Some(body))?.decode()?;
    assert!(!created.id.is_empty(), "{path} gives an id");
    Ok(created.id)
}

/// What `first-login.json` says.
struct Login(Value);

impl Login {
    fn text(&self, name: &str) -> Result<String> {
        Ok(self.0[name]
            .as_str()
            .context("text of the login")?
            .to_owned())
    }
}

fn login(site: &Site) -> Result<Login> {
    let path: &Path = &site.login_file();
    Ok(Login(serde_json::from_slice(&std::fs::read(path)?)?))
}

/// The provider after it has looked for its project and its account.
fn start(site: &Site) -> Result<Golang> {
    let login = login(site)?;
    let mut provider = Golang::new(site.api_port(), &site.ca_file())?;
    provider.access = Access::Keys {
        access_key: login.text("access_key")?,
        secret_key: login.text("secret_key")?,
    };
    let name = login.text("project_name")?;
    let projects: Projects = provider
        .request("GET", &format!("/v3/projects?name={name}"), None)?
        .decode()?;
    assert_eq!(projects.projects.len(), 1, "{projects:?}");
    assert!(projects.links.next.is_empty(), "{projects:?}");
    provider.project_id = projects.projects.first().map(|project| project.id.clone());
    assert_eq!(provider.project_id, Some(login.text("project_id")?));
    let domains: Domains = provider
        .request("GET", "/v3/auth/domains", None)?
        .decode()?;
    assert_eq!(domains.domains.len(), 1, "{domains:?}");
    assert_eq!(domains.domains[0].name, login.text("domain_name")?);
    provider.domain_id = Some(domains.domains[0].id.clone());
    Ok(provider)
}

fn target(site: &Site) -> Result<String> {
    let targets = site.json(["targets", "list"])?;
    let id = targets["targets"][0]["id"].as_str();
    Ok(id.context("id of the target")?.to_owned())
}

/// A task whose disks are those that the control plane proposes.
fn task(provider: &Golang, source: &str) -> Result<Value> {
    let proposed: Value = provider
        .request("GET", &format!("/v3/sources/{source}"), None)?
        .decode()?;
    let disks: Vec<Value> = proposed["init_target_server"]["disks"]
        .as_array()
        .context("proposed disks")?
        .iter()
        .map(|disk| without_nulls(disk, &["name", "size", "device_use", "physical_volumes"]))
        .collect();
    Ok(json!({
        // The provider gives all its tasks this name.
        "name": "MigrationTask", "priority": 1, "type": "MIGRATE_BLOCK", "os_type": "LINUX",
        "region_name": "rehost", "region_id": "rehost", "project_name": "rehost",
        "project_id": provider.project_id, "source_server": {"id": source},
        "target_server": {"disks": disks}, "migration_ip": "192.0.2.20",
        "use_public_ip": true, "start_target_server": true, "syncing": true,
    }))
}

/// Only these members, and of them only what is set.
fn without_nulls(value: &Value, members: &[&str]) -> Value {
    let members = members.iter().filter(|name| !value[**name].is_null());
    members
        .map(|name| ((*name).to_owned(), value[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn template(name: &str, project_id: &str) -> Value {
    let automatic = json!({"id": "autoCreate", "name": "autoCreate"});
    json!({"template": {
        "name": name, "is_template": true, "region": "rehost", "projectid": project_id,
        "availability_zone": "zone-1", "target_server_name": name, "vpc": automatic,
        "nics": [automatic], "security_groups": [automatic],
        "publicip": {"type": "5_bgp", "bandwidth_size": 10}, "volumetype": "SAS",
    }})
}

fn source(name: &str) -> Value {
    let disk = |letter: &str, use_of: &str, system: bool| {
        json!({
            "name": format!("/dev/vd{letter}"), "device_use": use_of, "size": GIB,
            "used_size": GIB, "partition_style": "MBR", "os_disk": system,
            "physical_volumes": [{
                "device_use": use_of, "file_system": "ext4", "index": 1,
                "mount_point": if system { "/" } else { "/srv" },
                "name": format!("/dev/vd{letter}1"), "size": GIB - (1 << 20),
                "used_size": 1 << 20, "inode_size": 256, "uuid": letter,
            }],
        })
    };
    json!({
        "ip": "192.0.2.30", "name": name, "hostname": name, "os_type": "LINUX",
        "os_version": "CENTOS_7_6_64BIT", "virtualization_type": "kvm", "linux_block_check": "{}",
        "firmware": "BIOS", "cpu_quantity": 2, "memory": 4_018_196_480_u64,
        "disks": [disk("a", "OS", true), disk("b", "NORMAL", false)],
        "networks": [{"name": "eth0", "ip": "192.0.2.30", "netmask": "255.255.255.0",
            "gateway": "192.0.2.1", "mtu": 1500, "mac": "fa:16:3e:00:00:02"}],
        "has_rsync": true, "has_tc": true, "boot_loader": "GRUB", "agent_version": "25.2.0",
        "kernel_version": "3.10.0", "io_read_wait": 1.5, "platform": "hw",
    })
}
