//! Lists that are counted before the first task runs.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};

use saferun_executor::{TaskSource, spool_file};

use super::BLOCK;
use super::record::Records;
use super::source::{ItemReader, ItemTasks};
use crate::error::{CliError, plain_cause};

impl ItemTasks {
    /// The same tasks and how many there are. A stream is read to its end first, into a file
    /// without a name, since it can't be read twice.
    ///
    /// # Errors
    ///
    /// It can't be read, or there is no place for the file.
    pub(crate) fn counted(mut self) -> Result<Self, CliError> {
        let count = match self.items {
            ItemReader::Given(items) => {
                let all = items.as_slice().iter();
                let count = all.filter(|item| self.template.takes(item)).count() as u64;
                self.items = ItemReader::Given(items);
                count
            }
            ItemReader::Stream {
                records,
                delimiter,
                label,
            } => {
                let failed = |error: io::Error| {
                    CliError::usage(
                        format!(
                            "{label} can't be counted before the run: {}",
                            plain_cause(&error)
                        ),
                        "give a list that can be read, room in TMPDIR or /var/tmp, or --strategy continuous, which counts nothing",
                    )
                };
                let mut file = spool(records).map_err(failed)?;
                let twin = file.try_clone().map_err(failed)?;
                self.items = ItemReader::stream(again(twin), delimiter, label.clone());
                let mut count = 0;
                // What is wrong in it is told when its turn comes.
                while let Some(Ok(_)) = self.next_task() {
                    count += 1;
                }
                file.rewind().map_err(failed)?;
                self.items = ItemReader::stream(again(file), delimiter, label);
                count
            }
        };
        self.count = Some(count);
        Ok(self)
    }
}

/// All of a stream as a file, at its beginning.
fn spool(records: Records<Box<dyn BufRead + Send>>) -> io::Result<File> {
    let mut file = spool_file()?;
    io::copy(&mut records.into_reader(), &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn again(file: File) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BLOCK, file))
}
