//! What kind of work requests are, and by which words: `cargo run --example judge -- REQUEST...`.

use std::error::Error;
use std::io::Write;

use saferun_router::Router;

fn main() -> Result<(), Box<dyn Error>> {
    let mut requests: Vec<String> = std::env::args().skip(1).collect();
    if requests.is_empty() {
        requests = [
            "Add Button component",
            "Rename Card to Tile everywhere",
            "Cover the migration helper with tests",
        ]
        .map(String::from)
        .to_vec();
    }
    let router = Router::shipped()?;
    let mut out = std::io::stdout().lock();
    for request in &requests {
        let verdict = router.classify(request);
        writeln!(out, "{request}\n  {verdict:?}")?;
    }
    Ok(())
}
