//! The modules of this process, for the header of a raw profile.

use super::raw::Module;
use crate::memory::modules;

/// The executable and its libraries, as they are mapped now.
pub fn modules() -> Vec<Module> {
    let modules = modules::loaded().into_iter();
    let modules = modules.map(|module| Module {
        path: module.path,
        bias: module.bias,
        start: module.start,
        end: module.end,
        file_offset: module.file_offset,
        build_id: module.build_id,
    });
    modules.collect()
}
