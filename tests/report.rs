//! `report` from outside: what it writes of a run, where, and of records that are broken.
#![cfg(feature = "cli")]

#[path = "report/broken.rs"]
mod broken;
#[path = "report/diagnosed.rs"]
mod diagnosed;
#[path = "report/formats.rs"]
mod formats;
#[path = "report/made.rs"]
mod made;
#[path = "report/outputs.rs"]
mod outputs;
#[path = "report/page.rs"]
mod page;
#[path = "support/records.rs"]
mod records;
