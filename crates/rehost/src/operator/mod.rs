//! What the operator's commands share: logging in, finding things by name, showing them.

mod copy_plan;
mod interrupt;
mod login;
mod lookup;
mod report;
mod time;

pub(crate) use copy_plan::{WithCopyPlan, copy_plan, copy_plan_in_words};
pub(crate) use interrupt::Interrupt;
pub(crate) use login::LoginOptions;
pub(crate) use lookup::{all_sources, all_tasks, find_source, find_target, find_task};
pub(crate) use report::{forecast_in_words, report_table};
pub(crate) use time::time;

use clap::Args;

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OutputOptions {
    /// Print the API's own JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}
