//! Writes down what built this program: compiler, profile, target, and the git revision where
//! there is one. Outside a checkout the revision is absent and everything else stays. Tells the
//! linker which of SQLite's functions the binary stands in front of.

use std::path::Path;
use std::process::Command;

/// See `know_statements` in the library.
const WRAPPED: [&str; 9] = include!("src/allocator/sampler/wrapped.in");

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=profiles/scenarios");
    println!("cargo:rerun-if-changed=Cargo.toml");
    for name in WRAPPED {
        println!("cargo:rustc-link-arg-bins=-Wl,--wrap={name}");
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    tell("RUSTC_VERSION", run(&rustc, &["--version"]));
    tell("BUILD_PROFILE", std::env::var("PROFILE").ok());
    tell("BUILD_OPT_LEVEL", std::env::var("OPT_LEVEL").ok());
    tell("BUILD_TARGET", std::env::var("TARGET").ok());
    tell("GIT_REVISION", git_revision());
}

/// Without the lock, `git status` would touch the index at every build.
const STATUS: [&str; 4] = [
    "--no-optional-locks",
    "status",
    "--porcelain",
    "--untracked-files=no",
];

fn tell(name: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo:rustc-env=SQLITE_MEMBENCH_{name}={value}");
    }
}

/// Of this package's own checkout, not of one that it happens to be unpacked in.
fn git_revision() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = run("git", &["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let revision = run("git", &["rev-parse", "HEAD"])?;
    let changed = run("git", &STATUS)?;
    Some(if changed.is_empty() {
        revision
    } else {
        format!("{revision}-dirty")
    })
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
