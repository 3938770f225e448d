//! A terminal that is shared by the tasks' output, our own lines and the bar.
//!
//! The bar stands on the last line without a line end. Whoever writes takes it away first, in
//! one go with what it writes; a thread of its own draws it again. So the bar never mixes with
//! output, and a terminal that has stopped (Ctrl-S) holds up writers, never the run.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the bar is drawn at most.
const PERIOD: Duration = Duration::from_millis(100);

/// To the line's start, and all of it erased.
const ERASE: &[u8] = b"\r\x1b[K";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A text and three flags are never left half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the bar says now. Setting it never waits for the terminal.
#[derive(Debug, Default)]
pub(crate) struct BarText {
    state: Mutex<TextState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TextState {
    text: Option<String>,
    closed: bool,
}

impl BarText {
    /// Says something else.
    pub(crate) fn set(&self, text: String) {
        locked(&self.state).text = Some(text);
    }

    /// Says nothing any more.
    pub(crate) fn clear(&self) {
        locked(&self.state).text = None;
    }

    fn close(&self) {
        let mut state = locked(&self.state);
        state.closed = true;
        state.text = None;
        drop(state);
        self.changed.notify_all();
    }
}

#[derive(Debug)]
struct Screen {
    out: File,
    /// Whether the bar is on the screen.
    drawn: bool,
    /// What it said when it was last drawn.
    shown: String,
    /// Whether the last byte written ended a line: only then is there a place for the bar.
    at_line_start: bool,
}

impl Screen {
    fn erase(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.drawn) {
            self.out.write_all(ERASE)
        } else {
            Ok(())
        }
    }

    fn draw(&mut self, text: Option<&str>) -> io::Result<()> {
        let Some(text) = text else {
            return self.erase();
        };
        if !self.at_line_start {
            return Ok(());
        }
        // Asked anew each time: the window may have changed. The last column stays free, since
        // a line that fills it wraps on some terminals.
        let columns = rustix::termios::tcgetwinsize(&self.out).map_or(80, |size| size.ws_col);
        let width = usize::from(if columns == 0 { 80 } else { columns }).saturating_sub(1);
        let shown: String = text.chars().take(width).collect();
        if self.drawn && self.shown == shown {
            return Ok(());
        }
        let bytes = [ERASE, shown.as_bytes()].concat();
        self.drawn = true;
        self.shown = shown;
        self.out.write_all(&bytes)
    }
}

/// A terminal with a bar on it.
#[derive(Debug)]
pub(crate) struct Terminal {
    screen: Arc<Mutex<Screen>>,
    text: Arc<BarText>,
    painter: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Standard error as a terminal with a bar, if it is one.
    ///
    /// # Errors
    ///
    /// The terminal could not be opened a second time, or no thread could be made.
    pub(crate) fn open() -> io::Result<Self> {
        let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let screen = Arc::new(Mutex::new(Screen {
            out,
            drawn: false,
            shown: String::new(),
            at_line_start: true,
        }));
        let text = Arc::new(BarText::default());
        let painter = {
            let (screen, text) = (Arc::clone(&screen), Arc::clone(&text));
            std::thread::Builder::new()
                .name("bar".into())
                .stack_size(64 * 1024)
                .spawn(move || paint(&screen, &text))?
        };
        Ok(Self {
            screen,
            text,
            painter: Some(painter),
        })
    }

    /// Where the bar's text is set.
    pub(crate) fn text(&self) -> Arc<BarText> {
        Arc::clone(&self.text)
    }

    /// A writer to `target` that takes the bar away first. What is no terminal is written as it
    /// is.
    ///
    /// # Errors
    ///
    /// The target could not be opened a second time.
    pub(crate) fn writer(
        &self,
        target: impl AsFd + IsTerminal,
    ) -> io::Result<Box<dyn Write + Send>> {
        if !target.is_terminal() {
            return plain_writer(target.as_fd().try_clone_to_owned()?);
        }
        Ok(Box::new(BesideBar {
            out: File::from(target.as_fd().try_clone_to_owned()?),
            screen: Arc::clone(&self.screen),
        }))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.text.close();
        if let Some(painter) = self.painter.take() {
            // It has nothing to report.
            let _ = painter.join();
        }
    }
}

/// A buffered writer to a descriptor; whoever writes flushes when there is nothing more for now.
///
/// # Errors
///
/// None today; callers treat both writers alike.
pub(crate) fn plain_writer(target: OwnedFd) -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(io::BufWriter::with_capacity(
        32 * 1024,
        File::from(target),
    )))
}

fn paint(screen: &Mutex<Screen>, text: &BarText) {
    loop {
        let state = locked(&text.state);
        let (state, _) = text
            .changed
            .wait_timeout_while(state, PERIOD, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let (line, closed) = (state.text.clone(), state.closed);
        drop(state);
        // A terminal that can't be written to shows no bar; the run goes on.
        let _ = locked(screen).draw(line.as_deref());
        if closed {
            return;
        }
    }
}

/// Writes where the bar is.
struct BesideBar {
    out: File,
    screen: Arc<Mutex<Screen>>,
}

impl Write for BesideBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut screen = locked(&self.screen);
        screen.erase()?;
        let written = self.out.write(bytes)?;
        if let Some(last) = bytes[..written].last() {
            screen.at_line_start = *last == b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
