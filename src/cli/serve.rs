//! `serve`: the testee of a snapshot scenario, for tools that ask it for cycles and look on.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, value_parser};

use super::common::{Common, only};
use super::output::{Output, complain};
use super::progress::Progress;
use super::{Exit, Failure, fit};
use crate::harness::{self, Outcome, Watcher, drive};
use crate::record::{Line, ListeningRecord};
use crate::report::describe;
use crate::scenario::{Scenario, Selection};
use crate::testee::ServiceOptions;
use crate::testee::service;

/// More could not even be connected.
const LONGEST_QUEUE: i64 = 500;

/// What `serve` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Listen on this port; 0 for any that is free
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8890,
        allow_hyphen_values = true
    )]
    port: u16,
    /// Listen on this address; there is no authentication
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
    /// How many GET /dumpdb may wait beside the one that runs
    #[arg(long, value_name = "N", default_value_t = 8, allow_hyphen_values = true,
        value_parser = value_parser!(u32).range(0..=LONGEST_QUEUE))]
    queue: u32,
    /// Keep each dump in a directory that is there, as dump-CYCLE.sql, with .gz where it is compressed
    #[arg(long, value_name = "DIR")]
    keep_dumps: Option<PathBuf>,
    /// The scenario to serve: one of the workload `snapshot`
    #[arg(long, value_name = "NAME", default_value = "snapshot-memory")]
    scenario: String,
    #[command(flatten)]
    common: Common,
}

/// Checks everything, then serves until it is told to stop.
pub(super) fn run(arguments: &Arguments, argv: Vec<String>) -> Result<Exit, Failure> {
    let scenarios = [scenario(arguments).map_err(Failure::usage)?];
    fit::check(&scenarios).map_err(Failure::usage)?;
    let address = SocketAddr::new(arguments.address, arguments.port);
    let keep_dumps = arguments.keep_dumps.as_deref().map(directory);
    let serve = ServiceOptions {
        address,
        queue: arguments.queue,
        keep_dumps: keep_dumps.transpose().map_err(Failure::usage)?,
    };
    // The testee is the one to listen, and another program may come between; but mostly what is
    // wrong is wrong already.
    drop(service::bind(address).map_err(Failure::usage)?);
    let options = arguments.common.options(argv, Some(serve));
    let options = options.map_err(Failure::usage)?;
    if !address.ip().is_loopback() {
        complain(format_args!(
            "warning: there is no authentication: whoever reaches {} can run cycles",
            address.ip()
        ));
    }
    let mut announce = Announce::new(arguments.common.quiet);
    let ran = harness::run(&scenarios, &options, &mut announce);
    let outcome = arguments.common.ended(ran, &options, &scenarios)?;
    announce.output.finish(match outcome {
        Outcome::Done => Exit::Done,
        Outcome::Failed => Exit::Failed,
        Outcome::Interrupted => Exit::Interrupted,
    })
}

/// One scenario that serves, without an end of its own.
fn scenario(arguments: &Arguments) -> anyhow::Result<Scenario> {
    let (name, common) = (&arguments.scenario, &arguments.common);
    if common.sets("cycles") {
        bail!("--set cycles: a service runs a cycle for each request, until it is stopped");
    }
    let scenarios = common.resolve(&Selection {
        names: vec![name.clone()],
        sets: Vec::new(),
        settings: common.settings()?,
    })?;
    if !scenarios.iter().all(drive::serves) {
        bail!("--scenario {name}: only a scenario of the workload `snapshot` can be served");
    }
    let mut scenario = only(scenarios, &format!("--scenario {name}"))?;
    drive::serve_until_stopped(&mut scenario);
    Ok(scenario)
}

/// A directory that is there and can be written, with its whole path.
fn directory(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::fs::canonicalize(path).and_then(|whole| {
        // Only writing proves that it can be written; this file has no name and leaves nothing.
        tempfile::tempfile_in(&whole).map(|_| whole)
    });
    whole.with_context(|| {
        let path = path.display();
        format!("--keep-dumps {path}: name a directory that is there and can be written")
    })
}

/// Says where the service is, and otherwise only what goes wrong.
#[derive(Debug)]
struct Announce {
    quiet: bool,
    pid: u32,
    progress: Progress,
    output: Output,
}

impl Announce {
    fn new(quiet: bool) -> Self {
        Announce {
            quiet,
            pid: 0,
            progress: Progress::new(quiet),
            output: Output::default(),
        }
    }

    fn listening(&mut self, ListeningRecord { scenario, address }: &ListeningRecord) {
        let pid = self.pid;
        self.output
            .write(|out| writeln!(out, "listening on http://{address} (pid {pid}, {scenario})"));
        if self.quiet {
            return;
        }
        complain(format_args!(
            "one cycle (snapshot, dump, dispose):  curl http://{address}/dumpdb\n\
             who owns its memory:                  curl http://{address}/memory\n\
             whether it is ready:                  curl http://{address}/healthz\n\
             its memory from outside:              grep Rss /proc/{pid}/smaps_rollup\n\
             Ctrl-C ends it."
        ));
    }
}

impl Watcher for Announce {
    fn scenario_started(&mut self, scenario: &Scenario) {
        self.progress.start(&scenario.name);
    }

    fn line(&mut self, line: &Line) {
        match line {
            Line::Progress(_) => self.progress.line(line),
            Line::Scenario(scenario) => self.pid = scenario.pid,
            Line::Listening(listening) => {
                self.progress.clear();
                self.listening(listening);
            }
            Line::Error(error) => {
                self.progress.clear();
                complain(format_args!("{}", describe(error)));
            }
            _ => {}
        }
    }

    fn scenario_ended(&mut self, _: &Scenario, _: bool) {
        self.progress.clear();
    }
}
