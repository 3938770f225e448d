//! Containment on real processes and, where they can be had, real control groups.

mod birth;
mod groups;
mod isolated;
mod support;
mod survivors;
mod trees;
