//! From the agent's options to a client of the control plane.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use rehost_enrolment::load_or_enrol;
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_sms_api::rehost::JoinRole;
use serde::Deserialize;

use crate::options::AgentAccess;

#[derive(Deserialize)]
struct AccessKeyFile {
    access_key: String,
    secret_key: String,
    project_id: Option<String>,
}

/// A client that acts as this agent; joins first if need be.
pub(crate) fn client(access: &AgentAccess, state_dir: &Path, name: &str) -> anyhow::Result<Client> {
    match access {
        AgentAccess::Joined { token } => {
            let identity = load_or_enrol(state_dir, token.as_deref(), JoinRole::Source, name)
                .context("join the control plane")?;
            identity
                .client()
                .context("set up the client of the control plane")
        }
        AgentAccess::AccessKey {
            endpoint,
            ca_file,
            key_file,
        } => {
            let read = |path: &Path| {
                fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
            };
            let keys: AccessKeyFile = serde_json::from_str(&read(key_file)?)
                .with_context(|| format!("read the access key in {}", key_file.display()))?;
            Client::new(ClientConfig {
                endpoint: endpoint.clone(),
                ca_pem: ca_file.as_deref().map(read).transpose()?,
                credentials: Credentials::AccessKey {
                    access_key: keys.access_key,
                    secret_key: keys.secret_key.into(),
                    project_id: keys.project_id,
                },
            })
            .context("set up the client of the control plane")
        }
    }
}
