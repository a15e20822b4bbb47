//! The two programs of a comparison: what the other one has to be, and where both are started from.
//!
//! Both are copied first, in the same way and side by side. How much of an executable becomes resident
//! with it hangs on how its file came into the page cache: two copies of one build have been 1.2 MiB
//! apart. And a copy stays what it was when the sources are built again while the run goes on.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::output::complain;
use crate::environment::{TESTEE_PROTOCOL, environment};
use crate::harness::Program;
use crate::record::Side;

/// The programs, and the directory of their copies, which goes with it.
#[derive(Debug)]
pub(super) struct Both {
    pub programs: Vec<Program>,
    _copies: Option<TempDir>,
}

/// This program and `against`, which has to be a build of the same suite.
pub(super) fn both(against: &Path, quiet: bool) -> anyhow::Result<Both> {
    let shown = against.display();
    let own = environment();
    refuse_dhat(&own, "this program")?;
    let other = checked(against)?;
    refuse_dhat(&other, &format!("--against {shown}"))?;
    let new = std::env::current_exe().context("cannot find this program's executable")?;
    let base = std::path::absolute(against).with_context(|| format!("--against {shown}"))?;
    let copies = match copied(&new, &base) {
        Ok(copies) => copies,
        Err(error) => {
            if !quiet {
                complain(format_args!(
                    "both programs are started from where they are, so leave them alone until the \
                     end: {error:#}"
                ));
            }
            None
        }
    };
    let place = |side: Side, original: PathBuf| match &copies {
        Some(directory) => copy_of(directory.path(), side),
        None => original,
    };
    let name = new.file_name().unwrap_or(new.as_os_str()).to_string_lossy();
    let new = Program::read(
        Side::New,
        name.into_owned(),
        place(Side::New, new.clone()),
        own,
    )
    .with_context(|| format!("cannot read {}", new.display()))?;
    let name = against.to_string_lossy().into_owned();
    let base = Program::read(Side::Base, name, place(Side::Base, base), other)
        .with_context(|| format!("--against {shown}: cannot be read"))?;
    Ok(Both {
        programs: vec![base, new],
        _copies: copies,
    })
}

fn copy_of(directory: &Path, side: Side) -> PathBuf {
    directory.join(side.name())
}

/// A directory with both, where both can be copied and started there. `None` where one is a script,
/// which may look for what it starts beside itself.
fn copied(new: &Path, base: &Path) -> anyhow::Result<Option<TempDir>> {
    if !is_elf(new)? || !is_elf(base)? {
        return Ok(None);
    }
    let directory = tempfile::Builder::new()
        .prefix("sqlite-membench-programs-")
        .tempdir()
        .context("no directory for copies of them")?;
    for (side, original) in [(Side::Base, base), (Side::New, new)] {
        let copy = copy_of(directory.path(), side);
        std::fs::copy(original, &copy)
            .and_then(|_| File::open(&copy)?.sync_all())
            .with_context(|| format!("{} cannot be copied", original.display()))?;
        said_by(&copy, PATIENCE)
            .with_context(|| format!("a copy of {} does not work", original.display()))?;
    }
    Ok(Some(directory))
}

fn is_elf(path: &Path) -> anyhow::Result<bool> {
    let mut magic = Vec::new();
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.take(4).read_to_end(&mut magic)?;
    Ok(magic == b"\x7fELF")
}

/// Times and RSS of such a build are dhat's.
fn refuse_dhat(environment: &Map<String, Value>, which: &str) -> anyhow::Result<()> {
    match environment.get("dhat_heap") {
        Some(Value::Bool(true)) => bail!(
            "{which} is built with the feature dhat-heap: every time and every peak would be \
             instrumented; compare builds without it"
        ),
        _ => Ok(()),
    }
}

/// What the program says of itself, if it is a build of this one that this one understands.
fn checked(program: &Path) -> anyhow::Result<Map<String, Value>> {
    let shown = program.display();
    let file = program.metadata();
    let file =
        file.with_context(|| format!("--against {shown}: name an executable that is there"))?;
    if file.is_dir() {
        bail!("--against {shown}: it is a directory; name the executable in it");
    }
    if file.permissions().mode() & 0o111 == 0 {
        bail!("--against {shown}: it is not executable; chmod +x makes it so");
    }
    let asked = format!("`{shown} env --format json`");
    let said = said_by(program, PATIENCE)
        .with_context(|| format!("--against {shown}: it is no build of this program: {asked}"))?;
    let environment: Map<String, Value> = serde_json::from_slice(&said).map_err(|_| {
        anyhow!("--against {shown}: it is no build of this program: {asked} writes no JSON object")
    })?;
    let text = |key: &str| environment.get(key).and_then(Value::as_str);
    let (Some(version), Some(_)) = (text("suite_version"), text("machine_key")) else {
        bail!(
            "--against {shown}: it is no build of this program: {asked} tells no suite_version and \
             machine_key"
        );
    };
    let revision = text("git_revision").map_or_else(String::new, |of| format!(" ({of})"));
    let build = format!("it is version {version}{revision}");
    let instead = "run each by itself with --repeat, and compare the two runs";
    match environment.get("testee_protocol").map(Value::as_u64) {
        Some(Some(protocol)) if protocol == u64::from(TESTEE_PROTOCOL) => Ok(environment),
        None => bail!(
            "--against {shown}: {build}, which does not say how its testees are spoken to \
             (testee_protocol): it is too old to take turns with this one; {instead}"
        ),
        Some(protocol) => bail!(
            "--against {shown}: {build}, whose testees are spoken to in another way \
             (testee_protocol {}, here {TESTEE_PROTOCOL}); {instead}",
            protocol.map_or_else(|| "unknown".to_owned(), |number| number.to_string())
        ),
    }
}

/// For a program that loads from a slow disk.
const PATIENCE: Duration = Duration::from_secs(30);
/// An environment has some kilobytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// What `PROGRAM env --format json` writes. Whatever it is, it is given so much time and room.
fn said_by(program: &Path, patience: Duration) -> anyhow::Result<Vec<u8>> {
    let program = std::path::absolute(program)?;
    let mut command = Command::new(program);
    command
        .args(["env", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn().context("cannot be started")?;
    let told = heard(&mut child, patience);
    if told.is_err() {
        kill(&child);
        let _ = child.wait();
    }
    let (text, status) = told?;
    match status.success() {
        true => Ok(text),
        false => bail!("fails: {status}"),
    }
}

/// All that it writes, and how it ends.
fn heard(child: &mut Child, patience: Duration) -> anyhow::Result<(Vec<u8>, ExitStatus)> {
    let until = Instant::now() + patience;
    let text = match listen(child)?.recv_timeout(patience) {
        Ok(text) => text.context("cannot be read")?,
        Err(_) => bail!("says nothing for {patience:?}"),
    };
    if text.len() as u64 >= MOST_BYTES {
        bail!("writes without end");
    }
    loop {
        if let Some(status) = child.try_wait().context("cannot be waited for")? {
            return Ok((text, status));
        }
        if Instant::now() >= until {
            bail!("does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Its standard output, when it is over or too much.
fn listen(child: &mut Child) -> anyhow::Result<Receiver<std::io::Result<Vec<u8>>>> {
    let stdout = child.stdout.take().context("has no standard output")?;
    let (sender, receiver) = sync_channel(1);
    thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        let read = stdout.take(MOST_BYTES).read_to_end(&mut text);
        let _ = sender.send(read.map(|_| text));
    })?;
    Ok(receiver)
}

fn kill(child: &Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is `script`.
    fn script(script: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        (directory, path)
    }

    fn refusal(of: &str) -> String {
        let (_directory, path) = script(of);
        format!("{:#}", checked(&path).unwrap_err())
    }

    #[test]
    fn a_program_says_what_it_is() {
        let own = serde_json::to_string(&environment()).unwrap();
        let (_directory, path) = script(&format!("cat <<'END'\n{own}\nEND"));
        assert_eq!(checked(&path).unwrap()["testee_protocol"], TESTEE_PROTOCOL);
    }

    #[test]
    fn a_build_whose_times_would_be_those_of_dhat_is_refused_on_either_side() {
        let mut environment = environment();
        environment.insert("dhat_heap".into(), true.into());
        let error = refuse_dhat(&environment, "this program").unwrap_err();
        assert!(
            error.to_string().starts_with("this program is built with"),
            "{error}"
        );
        environment.remove("dhat_heap");
        assert!(refuse_dhat(&environment, "this program").is_ok());
    }

    #[test]
    fn only_programs_are_copied_and_not_what_may_look_beside_itself() {
        let (_directory, script) = script("true");
        let own = std::env::current_exe().unwrap();
        assert!(copied(&own, &script).unwrap().is_none());
        assert!(is_elf(&own).unwrap() && !is_elf(&script).unwrap());
    }

    #[test]
    fn another_program_is_told_by_what_it_writes() {
        for (of, words) in [
            ("exit 3", "fails: exit status: 3"),
            ("true", "writes no JSON object"),
            ("echo '[1]'", "writes no JSON object"),
            ("echo '{\"name\": \"other\"}'", "tells no suite_version"),
            ("while :; do echo yes; done", "writes without end"),
        ] {
            let said = refusal(of);
            assert!(said.contains("no build of this program"), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_build_whose_testees_are_spoken_to_in_another_way_is_refused_with_its_version() {
        let build = |more: &str| {
            let own = r#""suite_version": "9.8.7", "machine_key": "k""#;
            refusal(&format!("echo '{{{own}{more}}}'"))
        };
        let older = build("");
        assert!(
            older.contains("9.8.7") && older.contains("too old"),
            "{older}"
        );
        let newer = build(r#", "testee_protocol": 4711"#);
        assert!(newer.contains("testee_protocol 4711, here"), "{newer}");
        assert!(build(r#", "testee_protocol": "x""#).contains("unknown"));
    }

    #[test]
    fn a_program_that_says_nothing_is_ended_with_what_it_started() {
        let (directory, path) = script("sleep 1000 & echo $! > \"$0.pid\"; wait");
        let error = said_by(&path, Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("says nothing"), "{error}");
        let pid = std::fs::read_to_string(directory.path().join("program.pid")).unwrap();
        let stat = Path::new("/proc").join(pid.trim()).join("stat");
        let ended = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
        let begun = Instant::now();
        while !ended() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
