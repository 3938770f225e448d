//! From a request in words, and the files it touches, to a plan.
//!
//! Pure: no I/O, no clock, no runtime. Texts come in, a plan goes out.
//!
//! ```
//! use saferun_router::{Category, Mode, Router};
//!
//! let router = Router::shipped()?;
//! let verdict = router.classify("Rename Card to Tile everywhere");
//! assert_eq!((verdict.category, verdict.mode), (Category::Refactor, Mode::Sequential));
//! # Ok::<(), saferun_router::RouterError>(())
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod category;
mod features;
mod model;
mod plan;
mod reading;
mod router;
mod rules;
mod team;
mod text;
#[cfg(feature = "training")]
pub mod training;

pub use category::{Category, Mode, UnknownName};
pub use model::ModelError;
pub use plan::{Circumstances, Phase, Plan};
pub use router::{Evidence, Router, RouterError, Verdict};
pub use rules::{RuleError, Rules, SHIPPED as SHIPPED_RULES};
pub use team::{Agent, DelegationMap, MapError, SHIPPED as SHIPPED_TEAM, Team, TeamError, Touched};
