//! Calls about source servers.

use super::call::Call;
use super::{Client, ClientError};
use crate::bodies::{
    CommandBody, DeleteIds, ListErrorServersResponse, ListServersQuery, ListServersResponse,
    PostSourceServerBody, PutCopyStateReq, PutDiskInfoReq, PutSourceServerBody,
    RegisterServerResponse, ShowCommandResponse, ShowOverviewResponse, ShowServerResponse,
};

/// Each call fails with [`ClientError`]; a source server that is not there is
/// [`ErrorCode::SourceUnknown`](crate::errors::ErrorCode::SourceUnknown).
impl Client {
    /// `POST /v3/sources`: registers a source server, or registers it again with its id.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn register_server(
        &self,
        body: &PostSourceServerBody,
    ) -> Result<RegisterServerResponse, ClientError> {
        self.call(Call::new("POST", &["v3", "sources"]).json(body))
    }

    /// `GET /v3/sources`: one page of the source servers.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_servers(
        &self,
        query: &ListServersQuery,
    ) -> Result<ListServersResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "sources"]).query_of(query))
    }

    /// `GET /v3/sources/{source_id}`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_server(&self, source_id: &str) -> Result<ShowServerResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "sources", source_id]))
    }

    /// `PUT /v3/sources/{source_id}`: renames it, chooses its disks.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_server_name(
        &self,
        source_id: &str,
        body: &PutSourceServerBody,
    ) -> Result<(), ClientError> {
        self.call_for_success(Call::new("PUT", &["v3", "sources", source_id]).json(body))
    }

    /// `DELETE /v3/sources/{source_id}`: deletes the record, never the server.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn delete_server(&self, source_id: &str) -> Result<(), ClientError> {
        self.call_for_success(Call::new("DELETE", &["v3", "sources", source_id]))
    }

    /// `POST /v3/sources/delete`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn delete_servers(&self, body: &DeleteIds) -> Result<(), ClientError> {
        self.call_for_success(Call::new("POST", &["v3", "sources", "delete"]).json(body))
    }

    /// `PUT /v3/sources/{source_id}/changestate`: the agent says where it is.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_copy_state(
        &self,
        source_id: &str,
        body: &PutCopyStateReq,
    ) -> Result<(), ClientError> {
        self.call_for_success(
            Call::new("PUT", &["v3", "sources", source_id, "changestate"]).json(body),
        )
    }

    /// `PUT /v3/sources/{source_id}/diskinfo`: replaces all disk information.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_disk_info(
        &self,
        source_id: &str,
        body: &PutDiskInfoReq,
    ) -> Result<(), ClientError> {
        self.call_for_success(
            Call::new("PUT", &["v3", "sources", source_id, "diskinfo"]).json(body),
        )
    }

    /// `GET /v3/sources/{server_id}/command`: fetches the command in the mailbox. It
    /// stays there until its result is reported, so the same one may come again. With
    /// `wait_seconds` the call waits so long for one to come.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_command(
        &self,
        server_id: &str,
        wait_seconds: Option<u32>,
    ) -> Result<ShowCommandResponse, ClientError> {
        let call = Call::new("GET", &["v3", "sources", server_id, "command"]);
        self.call(match wait_seconds {
            Some(seconds) => call.wait_seconds(seconds),
            None => call,
        })
    }

    /// `POST /v3/sources/{server_id}/command_result`: what became of a command.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_command_result(
        &self,
        server_id: &str,
        body: &CommandBody,
    ) -> Result<(), ClientError> {
        self.call_for_success(
            Call::new("POST", &["v3", "sources", server_id, "command_result"]).json(body),
        )
    }

    /// `GET /v3/sources/overview`: how many source servers are in each state.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_overview(&self) -> Result<ShowOverviewResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "sources", "overview"]))
    }

    /// `GET /v3/errors`: source servers whose migration failed. At most 100 at once, 50 unless given.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_error_servers(
        &self,
        limit: Option<u32>,
        offset: u32,
    ) -> Result<ListErrorServersResponse, ClientError> {
        let call = Call::new("GET", &["v3", "errors"]).query("offset", offset);
        self.call(match limit {
            Some(limit) => call.query("limit", limit),
            None => call,
        })
    }
}
