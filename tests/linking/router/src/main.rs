//! Uses `saferun-router` alone.

use std::error::Error;

use saferun_router::{Circumstances, Mode, Plan, Router, Team, Touched};

fn main() -> Result<(), Box<dyn Error>> {
    let router = Router::shipped()?;
    let team = Team::shipped()?;
    let circumstances = Circumstances {
        parallel: true,
        parallel_source: String::from("this program"),
        concurrency: Some(2),
        memory_threshold_mb: 4096,
        least_confidence: router.least_confidence(),
        primary: None,
    };
    let modes = [
        ("Add Button component", "src/button.tsx"),
        ("Add Button component", "db/migrations/1.sql"),
        ("Rename Card to Tile everywhere", "src/card.tsx"),
    ]
    .map(|(request, file)| {
        let verdict = router.classify(request);
        let touched = [Touched::new(file)];
        Plan::new(request, &verdict, &touched, &team, &circumstances)
            .map(|plan| plan.execution_mode)
    });
    let expected = [Mode::Parallel, Mode::Sequential, Mode::Sequential];
    for (mode, expected) in modes.into_iter().zip(expected) {
        if mode? != expected {
            return Err("a request was misunderstood".into());
        }
    }
    println!("router: 3 plans");
    Ok(())
}
