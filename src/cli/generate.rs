//! `completions` and `man`: what is made of the definition of the command line, so that neither can
//! tell of an option that there is not.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::output::{Output, complain};
use super::{Cli, Exit, Failure};
use crate::whole_file;

/// As it is installed.
const NAME: &str = "sqlite-membench";

/// What `completions` takes.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &Completions) -> Result<Exit, Failure> {
    let text = completions_of(arguments.shell);
    let mut output = Output::default();
    output.write(|out| out.write_all(text.as_bytes()));
    output.finish(Exit::Done)
}

fn completions_of(shell: Shell) -> String {
    // Into memory first: clap_complete panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    let text = String::from_utf8_lossy(&text);
    match shell {
        // Of a name with a hyphen it gives bash two spellings that never meet, and then completes no
        // option of any verb: github.com/clap-rs/clap/issues/6421.
        Shell::Bash => text.replace("sqlite__subcmd__membench", "sqlite__membench"),
        _ => text.into_owned(),
    }
}

/// What `man` takes.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write a page for the program and for each command into this directory, not the program's
    /// to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn man(arguments: &Man) -> Result<Exit, Failure> {
    let pages = pages();
    let Some(directory) = &arguments.out else {
        let mut output = Output::default();
        let program = pages.last();
        output.write(|out| program.map_or(Ok(()), |(_, text)| out.write_all(text)));
        return output.finish(Exit::Done);
    };
    usable(directory).map_err(Failure::usage)?;
    for (name, text) in &pages {
        let path = directory.join(name);
        whole_file::write(&path, |out| out.write_all(text))
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(Failure::failed)?;
    }
    complain(format_args!(
        "{} pages: man -l {}",
        pages.len(),
        directory.join(format!("{NAME}.1")).display()
    ));
    Ok(Exit::Done)
}

/// A directory, made where there is none.
fn usable(directory: &Path) -> anyhow::Result<()> {
    let shown = directory.display();
    if directory.symlink_metadata().is_ok() && !directory.is_dir() {
        bail!("--out {shown}: it is no directory; name one for the pages to go into");
    }
    std::fs::create_dir_all(directory)
        .with_context(|| format!("--out {shown}: cannot make this directory; name another one"))
}

/// File name and text of each page, the program's own last.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut pages: Vec<(String, Vec<u8>)> = verbs.map(page).collect();
    pages.push(page(&program));
    pages
}

fn page(command: &Command) -> (String, Vec<u8>) {
    let page = Page::new(command.clone())
        .source(concat!("sqlite-membench ", env!("CARGO_PKG_VERSION")))
        .manual("sqlite-membench");
    let mut text = Vec::new();
    // Memory takes whatever is written.
    let _ = page.render(&mut text);
    (page.get_filename(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name as roff writes it.
    fn roff(text: &str) -> String {
        text.replace('-', "\\-")
    }

    #[test]
    fn every_verb_has_a_page_and_each_page_every_option_and_value_of_its_verb() {
        let pages = pages();
        let text = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name);
            let (_, text) = page.unwrap_or_else(|| panic!("no page {name}"));
            String::from_utf8(text.clone()).unwrap()
        };
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let whole = text("sqlite-membench.1");
        let mut seen = 0;
        for verb in program.get_subcommands() {
            let name = verb.get_name();
            assert!(whole.contains(&roff(&format!("sqlite-membench-{name}(1)"))));
            let page = text(&format!("sqlite-membench-{name}.1"));
            for argument in verb.get_arguments().filter(|one| !one.is_hide_set()) {
                let long = argument.get_long().map(|long| roff(&format!("--{long}")));
                let values = argument.get_value_names().unwrap_or_default();
                let names = values.iter().map(|value| roff(value));
                for wanted in long
                    .into_iter()
                    .chain(names.filter(|_| !is_switch(argument)))
                {
                    seen += 1;
                    assert!(page.contains(&wanted), "{name}: {wanted}\n{page}");
                }
            }
        }
        assert!(seen > 50 && pages.len() == program.get_subcommands().count() + 1);
    }

    /// clap gives these a value's name too.
    fn is_switch(argument: &clap::Arg) -> bool {
        !argument.get_action().takes_values()
    }

    #[test]
    fn the_verb_of_the_harness_is_in_no_page_and_no_completion() {
        for (name, text) in pages() {
            let text = String::from_utf8(text).unwrap();
            assert!(!name.contains("testee") && !text.contains("membench\\-testee"));
        }
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let text = completions_of(*shell);
            // As a verb; in prose it may stand.
            let offers = |verb: &str| {
                let ways = ["__VERB)", "'VERB:", "-a \"VERB\"", "cand VERB ", "'VERB',"];
                let mut ways = ways.iter().map(|way| way.replace("VERB", verb));
                ways.any(|way| text.contains(&way))
            };
            assert!(offers("diagnose") && text.contains("limit-rss"), "{shell}");
            assert!(!offers("testee"), "{shell}");
        }
    }
}
