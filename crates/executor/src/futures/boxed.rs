//! Tasks of different types in one list.

use std::future::Future;
use std::pin::Pin;

/// A task whose own type is hidden, so that different ones can stand in one list.
pub type BoxedTask<'a, T, E> =
    Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>> + Send + 'a>;

/// Hides a task's own type, so that different ones can stand in one list.
///
/// ```
/// use saferun_executor::{Options, boxed, execute_safe_parallel};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tasks = vec![
///     boxed(async || Ok::<_, std::num::ParseIntError>(1)),
///     boxed(async || "2".parse()),
/// ];
/// let results = execute_safe_parallel(tasks, Options::default()).await?;
/// assert_eq!(results.into_iter().collect::<Result<Vec<i32>, _>>()?, [1, 2]);
/// # Ok(())
/// # }
/// ```
pub fn boxed<'a, F, Fut, T, E>(task: F) -> BoxedTask<'a, T, E>
where
    F: FnOnce() -> Fut + Send + 'a,
    Fut: Future<Output = Result<T, E>> + Send + 'a,
{
    Box::new(move || Box::pin(task()))
}
