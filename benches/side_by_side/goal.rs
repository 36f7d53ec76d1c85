//! What a figure shall be.

use std::fmt;

use crate::measure::Section;
use crate::report::number;
use crate::system::System;

/// A bound for a figure of the gateway: for its value, or for how many times another system's.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    pub(crate) figure: String,
    bound: Bound,
    against: Option<System>,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Whether a goal was reached, and what was.
pub(crate) struct Reached {
    pub(crate) met: bool,
    value: f64,
    is_ratio: bool,
}

impl Goal {
    pub(crate) fn at_most(figure: impl Into<String>, value: f64) -> Self {
        Self { figure: figure.into(), bound: Bound::AtMost(value), against: None }
    }

    pub(crate) fn at_least(figure: impl Into<String>, value: f64) -> Self {
        Self { figure: figure.into(), bound: Bound::AtLeast(value), against: None }
    }

    /// The bound holds for the ratio to this system's figure.
    pub(crate) fn times(mut self, system: System) -> Self {
        self.against = Some(system);
        self
    }

    /// None where there are no figures to compare.
    pub(crate) fn reached(&self, section: &Section) -> Option<Reached> {
        let value = match self.against {
            Some(other) => section.ratio(&self.figure, System::Gateway, other)?,
            None => section.median(System::Gateway, &self.figure)?,
        };
        let met = match self.bound {
            Bound::AtMost(bound) => value <= bound,
            Bound::AtLeast(bound) => value >= bound,
        };
        Some(Reached { met, value, is_ratio: self.against.is_some() })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            Bound::AtMost(value) => write!(f, "≤ {value}")?,
            Bound::AtLeast(value) => write!(f, "≥ {value}")?,
        }
        match self.against {
            Some(system) => write!(f, "× {system}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.met { "met" } else { "**missed**" };
        let times = if self.is_ratio { "×" } else { "" };
        write!(f, "{word}: {}{times}", number(self.value))
    }
}
