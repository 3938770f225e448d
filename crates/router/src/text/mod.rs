//! Words and marks of a request, before anybody asks what they mean.

mod stem;
mod token;

pub(crate) use stem::{Form, stem};
pub(crate) use token::{Kind, Token, tokens};
