//! What a benchmark spends its time in, sampled in this process while `--profile-time` runs it.
//!
//! Into the benchmark's own directory of Criterion's, `profile/`: raw stacks, and what is made of them.
//! A benchmark whose work is done by testees has nothing to sample here.

use std::fs;
use std::path::Path;
use std::time::Instant;

use criterion::profiler::Profiler;
use sqlite_membench::profile;
use sqlite_membench::testee::profiling::{CpuSampler, DEFAULT_HERTZ};

const FILE: &str = "cpu.jsonl";

/// Samples one benchmark after the other.
#[derive(Debug, Default)]
pub struct InProcess {
    running: Option<(CpuSampler, Instant)>,
}

impl Profiler for InProcess {
    fn start_profiling(&mut self, name: &str, directory: &Path) {
        let started = || -> Result<CpuSampler, String> {
            fs::create_dir_all(directory).map_err(|error| error.to_string())?;
            let file = directory.join(FILE);
            // Of the last time.
            if file.exists() {
                fs::remove_file(&file).map_err(|error| error.to_string())?;
            }
            CpuSampler::start(&file, name, DEFAULT_HERTZ).map_err(|error| error.to_string())
        };
        match started() {
            Ok(sampler) => self.running = Some((sampler, Instant::now())),
            Err(error) => eprintln!("{name} is not profiled: {}: {error}", directory.display()),
        }
    }

    fn stop_profiling(&mut self, name: &str, directory: &Path) {
        let Some((mut sampler, began)) = self.running.take() else {
            return;
        };
        let written = sampler.write(began.elapsed().as_nanos() as u64);
        drop(sampler);
        let finished = written.map_err(|error| error.to_string()).and_then(|()| {
            profile::finish(&directory.join(FILE)).map_err(|error| error.to_string())
        });
        match finished {
            Ok(finished) => {
                println!("{}", finished.summary.trim_end());
                for file in &finished.files {
                    let is_picture = file.extension().is_some_and(|extension| extension == "svg");
                    let what = if is_picture { "picture" } else { "file" };
                    println!("{what}: {}", file.display());
                }
            }
            Err(error) => eprintln!("{name} has no profile: {error}"),
        }
    }
}
