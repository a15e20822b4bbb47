//! Profiles: from the raw file that a testee leaves to what is looked at.

#[path = "profile/fixture.rs"]
mod fixture;
#[path = "profile/outputs.rs"]
mod outputs;
#[path = "profile/proto.rs"]
mod proto;
#[path = "profile/reading.rs"]
mod reading;
#[path = "profile/verb.rs"]
mod verb;
