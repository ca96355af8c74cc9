//! What commands print as JSON: one envelope, one file a report, each described by a schema under `schemas/reports/`.

pub(super) mod apply;
pub(super) mod contexts;
pub(super) mod doctor;
pub(super) mod image;
pub(super) mod init;
pub(super) mod plan;
pub(super) mod run;
pub(super) mod runner;
pub(super) mod status;
mod table;
pub(super) mod validation;
pub(super) mod version;
