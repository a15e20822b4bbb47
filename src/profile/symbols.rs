//! Looks addresses up in the files of the modules that they lie in.
//!
//! A file is used only where it is the one that was mapped, which its build id tells: names from another
//! build would be wrong names. Where nothing is known an address stays a number, relative to its file,
//! so that it is the same in every run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use addr2line::{Loader, demangle_auto};

use super::elf::build_id_of;
use super::paths;
use super::raw::{Function, Module, Symbolized};
use super::read::Raw;

/// Names for addresses, and why there are none for others.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Of each address that was looked up, though perhaps in vain.
    pub(super) frames: Vec<Symbolized>,
    /// A sentence for each file that could not be used.
    pub(super) absent: Vec<String>,
}

/// Looks up every address of `raw` that has not been.
pub(super) fn look_up(raw: &Raw) -> Found {
    let addresses = raw.stacks.values().flatten().copied();
    let addresses: BTreeSet<u64> = addresses
        .filter(|address| !raw.symbols.contains_key(address))
        .collect();
    let mut of_module: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for address in addresses {
        if let Some(module) = module_of(&raw.header.modules, address) {
            of_module.entry(module).or_default().push(address);
        }
    }
    let mut found = Found::default();
    for (module, addresses) in of_module {
        let module = &raw.header.modules[module];
        match loader(module) {
            Ok(loader) => {
                let frames = addresses.into_iter().map(|address| Symbolized {
                    address,
                    functions: functions(&loader, address.wrapping_sub(module.bias)),
                });
                found.frames.extend(frames);
            }
            Err(why) => found.absent.push(why),
        }
    }
    found
}

/// Which of them an address lies in.
pub(super) fn module_of(modules: &[Module], address: u64) -> Option<usize> {
    modules
        .iter()
        .position(|module| (module.start..module.end).contains(&address))
}

/// The file's name alone: the rest is the machine's.
pub(super) fn file_name(module: &Module) -> &str {
    module.path.rsplit('/').next().unwrap_or_default()
}

/// What stands for a function that has no name.
pub(super) fn unnamed(modules: &[Module], address: u64) -> Function {
    let name = match module_of(modules, address) {
        Some(index) => {
            let module = &modules[index];
            let offset = address.wrapping_sub(module.bias);
            format!("{offset:#x} ({})", file_name(module))
        }
        None => "0x? (no module)".to_owned(),
    };
    Function {
        name,
        file: None,
        line: None,
    }
}

/// The module's file, if it is the one that was mapped.
fn loader(module: &Module) -> Result<Loader, String> {
    let name = file_name(module);
    let path = Path::new(&module.path);
    if !path.is_absolute() {
        return Err(format!(
            "{name} is the kernel's, so its functions have no names"
        ));
    }
    let on_disk = build_id_of(path).map_err(|error| {
        format!("{name} cannot be read, so its functions have no names: {error}")
    })?;
    if on_disk != module.build_id {
        return Err(format!(
            "{name} is not the file that ran (its build id is another), so its functions have no names"
        ));
    }
    Loader::new(path)
        .map_err(|error| format!("{name} cannot be read, so its functions have no names: {error}"))
}

/// Innermost first; empty where nothing is known.
fn functions(loader: &Loader, probe: u64) -> Vec<Function> {
    let symbol = loader.find_symbol(probe).map(|name| demangled(name, None));
    let mut functions = Vec::new();
    if let Ok(mut frames) = loader.find_frames(probe) {
        // What is broken in the middle is good until there.
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|function| {
                let name = function.raw_name().ok()?;
                Some(demangled(&name, function.language))
            });
            let location = frame.location.as_ref();
            functions.push(Function {
                name: name.unwrap_or_default(),
                file: location.and_then(|at| at.file).map(paths::trim),
                line: location.and_then(|at| at.line).filter(|line| *line > 0),
            });
        }
    }
    match (functions.last_mut(), symbol) {
        (None, Some(name)) => functions.push(Function {
            name,
            file: None,
            line: None,
        }),
        // Debug information of lines alone has names without their paths.
        (Some(outermost), Some(name)) if is_better(&name, &outermost.name) => {
            outermost.name = name;
        }
        // Debug information names a part as the whole.
        (Some(outermost), Some(name)) if whole(&name) == Some(&outermost.name) => {
            outermost.name = name;
        }
        _ => {}
    }
    functions.retain(|function| !function.name.is_empty());
    functions
}

/// What the compiler calls a part of a function that it has made a function of its own.
const PART: &str = ".part.";

/// The name of the function, if this is one of a part of it.
pub(super) fn whole(name: &str) -> Option<&str> {
    name.split_once(PART).map(|(whole, _)| whole)
}

/// Of one function: whether a name says more than another.
fn is_better(name: &str, than: &str) -> bool {
    than.is_empty() || (name.contains("::") && !than.contains("::"))
}

fn demangled(name: &str, language: Option<addr2line::gimli::DwLang>) -> String {
    let name = demangle_auto(name.into(), language);
    // Copies that the compiler made of one function: `balance.constprop.0`.
    let end = [".constprop.", ".isra.", ".cold", ".llvm."];
    let end = end.iter().filter_map(|end| name.find(end)).min();
    name[..end.unwrap_or(name.len())].to_owned()
}

/// Every name that there is.
pub(super) fn names(raw: &Raw, found: &Found) -> HashMap<u64, Vec<Function>> {
    let mut names = raw.symbols.clone();
    let frames = found.frames.iter();
    names.extend(frames.map(|frame| (frame.address, frame.functions.clone())));
    names.retain(|_, functions| !functions.is_empty());
    names
}
