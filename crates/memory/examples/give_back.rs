//! What could be given back to the system and what that would take, step by step; then the one
//! step that concerns nobody but ourselves is taken and measured.
//!
//! `cargo run -p saferun-memory --example give_back`

use saferun_memory::reclaim::{Allocator, PageCache, PageOut, Step, measured};
use saferun_memory::{Roots, show};

fn main() {
    let roots = Roots::default();
    let mut steps: [Box<dyn Step>; 3] = [
        Box::new(Allocator),
        Box::new(PageCache::new(&roots)),
        Box::new(PageOut::new(&roots, false)),
    ];
    for step in &mut steps {
        let about = step.about();
        println!("{}: {}", step.name(), about.does);
        println!("  needs {}; costs {}", about.needs, about.costs);
        let prospect = step.look();
        match (prospect.hindrance, prospect.at_most_bytes) {
            (Some(hindrance), _) => println!("  now: {hindrance:?}"),
            (None, Some(bytes)) => println!("  now: at most {}", show(bytes)),
            (None, None) => println!("  now: how much is not known beforehand"),
        }
    }

    // Small pieces stay with the allocator when they are dropped, here since the last one, which
    // is kept, lies behind them.
    let mut pieces: Vec<Vec<u8>> = (0..16_000).map(|_| vec![1; 4000]).collect();
    let last = pieces.pop();
    drop(pieces);
    let result = measured(&mut Allocator, &roots);
    println!(
        "Dropped 61 MiB in small pieces, {} bytes kept; {}: {:?}, {} given back.",
        last.map_or(0, |piece| piece.len()),
        Allocator.name(),
        result.taken.outcome,
        show(result.taken.gained_bytes())
    );
}
