//! The steps of a run by batches or under a threshold of session memory, as JSON.

use saferun_executor::Notice;
use serde_json::json;

use super::json::{Fields, fields};

/// The event's name and its fields.
pub(super) fn step(notice: &Notice) -> (&'static str, Fields) {
    let one_by_one = |reason: &str, session_bytes: Option<u64>, cause: Option<&str>| {
        let mut all = fields(json!({ "reason": reason, "session_bytes": session_bytes }));
        all.extend(cause.map(|cause| ("cause".to_owned(), cause.into())));
        all
    };
    match notice {
        Notice::Starting { tasks, concurrency } => (
            "starting",
            fields(json!({ "tasks": tasks, "concurrency": concurrency })),
        ),
        Notice::InitialMemory { bytes } => {
            ("initial_memory", fields(json!({ "session_bytes": bytes })))
        }
        Notice::Batch { number, tasks } => (
            "batch_started",
            fields(json!({ "batch": number, "tasks": tasks })),
        ),
        Notice::BatchComplete {
            number,
            freed_bytes,
        } => (
            "batch_ended",
            fields(json!({ "batch": number, "freed_bytes": freed_bytes })),
        ),
        Notice::High { bytes } => ("one_by_one", one_by_one("high", Some(*bytes), None)),
        Notice::HighBeforeBatch { bytes } => (
            "one_by_one",
            one_by_one("high_before_batch", Some(*bytes), None),
        ),
        Notice::Unknown { reason } => ("one_by_one", one_by_one("unknown", None, Some(reason))),
        Notice::BackToParallel { bytes } => {
            ("side_by_side", fields(json!({ "session_bytes": bytes })))
        }
        Notice::Sequential { number, tasks } => (
            "task_alone",
            fields(json!({ "number": number, "tasks": tasks })),
        ),
        Notice::Complete {
            initial_bytes,
            final_bytes,
        } => (
            "final_memory",
            fields(json!({ "initial_bytes": initial_bytes, "session_bytes": final_bytes })),
        ),
    }
}
