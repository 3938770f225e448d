//! Writes the manual pages and completion scripts of both programs into a directory.
//!
//! `cargo run -p saferun-cli --example man_pages -- DIRECTORY`

use std::error::Error;
use std::path::Path;

use clap::ValueEnum;
use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .ok_or("name the directory to write to")?;
    let dir = Path::new(&dir);
    std::fs::create_dir_all(dir)?;
    for mut command in saferun_cli::commands() {
        let name = command.get_name().to_owned();
        for shell in Shell::value_variants() {
            clap_complete::generate_to(*shell, &mut command, &name, dir)?;
        }
        clap_mangen::generate_to(command, dir)?;
    }
    Ok(())
}
