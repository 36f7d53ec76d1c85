//! Trials in turns, and what they say together.

use crate::Result;
use crate::goal::Goal;
use crate::host;
use crate::system::System;

/// What one system did once.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    figures: Vec<(String, f64)>,
    /// What must not happen: something lost, stale, or wrong.
    faults: Vec<String>,
}

impl Trial {
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64) {
        self.figures.push((name.into(), value));
    }

    /// A count of what must not happen, which is a figure, too.
    pub(crate) fn none_of(&mut self, name: impl Into<String>, count: usize) {
        let name = name.into();
        if count > 0 {
            self.faults.push(format!("{name}: {count}"));
        }
        self.figure(name, as_f64(count));
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// The trials of one workload.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) systems: Vec<System>,
    pub(crate) goals: Vec<Goal>,
    /// The load average when the last trial ended.
    pub(crate) load: Option<f64>,
    rounds: Vec<Vec<(System, Trial)>>,
}

impl Section {
    /// Runs the trials of all systems round after round, in an order that turns: what disturbs
    /// the machine for a while disturbs all of them.
    pub(crate) fn measure(
        title: impl Into<String>,
        systems: &[System],
        rounds: usize,
        goals: Vec<Goal>,
        mut trial: impl FnMut(System) -> Result<Trial>,
    ) -> Self {
        let title = title.into();
        let systems = systems.to_vec();
        let mut section = Self { title, systems, goals, load: None, rounds: Vec::new() };
        for round in 0..rounds {
            let mut order = section.systems.clone();
            order.rotate_left(round % section.systems.len());
            let run = |system| {
                eprintln!("{}: {system}, round {} of {rounds}", section.title, round + 1);
                let failed = |error| Trial { faults: vec![format!("{error}")], ..Trial::default() };
                (system, trial(system).unwrap_or_else(failed))
            };
            let trials = order.into_iter().map(run).collect();
            section.rounds.push(trials);
        }
        section.load = host::load_average();
        section
    }

    /// Names of the figures, in the order in which they were first measured.
    pub(crate) fn figures(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, trial) in self.rounds.iter().flatten() {
            for (name, _) in &trial.figures {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// A system's values of a figure, one of each round.
    fn values(&self, system: System, figure: &str) -> Vec<f64> {
        let of_round = |round: &Vec<(System, Trial)>| value_in(round, system, figure);
        self.rounds.iter().filter_map(of_round).collect()
    }

    pub(crate) fn median(&self, system: System, figure: &str) -> Option<f64> {
        median(self.values(system, figure))
    }

    /// How many times the other's figure: the median over the rounds of the ratio in each.
    pub(crate) fn ratio(&self, figure: &str, system: System, other: System) -> Option<f64> {
        let of_round = |round: &Vec<(System, Trial)>| {
            let other = value_in(round, other, figure).filter(|value| *value > 0.0)?;
            Some(value_in(round, system, figure)? / other)
        };
        median(self.rounds.iter().filter_map(of_round).collect())
    }

    /// Half of the distance between the extremes, as a share of the median.
    pub(crate) fn spread(&self, system: System, figure: &str) -> Option<f64> {
        let values = self.values(system, figure);
        let median = median(values.clone()).filter(|median| *median > 0.0)?;
        let highest = values.iter().copied().fold(f64::MIN, f64::max);
        let lowest = values.iter().copied().fold(f64::MAX, f64::min);
        Some((highest - lowest) / 2.0 / median)
    }

    /// What must not have happened, by system.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (System, &str)> {
        let trials = self.rounds.iter().flatten();
        trials.flat_map(|(system, trial)| {
            trial.faults.iter().map(move |fault| (*system, fault.as_str()))
        })
    }
}

fn value_in(round: &[(System, Trial)], system: System, figure: &str) -> Option<f64> {
    round.iter().find(|(known, _)| *known == system)?.1.value(figure)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// The value below which this share of sorted values lies.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to last")]
    let index = (as_f64(last) * share).round() as usize;
    sorted.get(index).copied().map_or(f64::NAN, f64::from)
}

/// Exact for all that is counted here.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes below 2^53")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}
