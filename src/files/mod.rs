//! Files that appear whole, their names, and those that a user names to be written.

mod names;
mod output;
mod whole;

pub use names::{TakenNames, file_stem, folder_name};
pub use output::{Existing, OutputFile, OutputRefusal, begins_with, is_same_file};
pub use whole::{
    ScratchFolder, cannot_lock, clear_drafts, copy_folder, create_locked, is_draft, remedy, replace_folder,
    replace_folder_with, write_whole, write_whole_with,
};
