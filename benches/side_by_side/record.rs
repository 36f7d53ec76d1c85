//! Keeps the tables of a run in `benches/README.md`, between two marks.

use std::fs;
use std::path::PathBuf;

use crate::Result;

const BEGIN: &str = "<!-- last run -->";
const END: &str = "<!-- end of last run -->";

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches")
}

/// Replaces the tables of the run before.
pub(crate) fn write_tables(tables: &str) -> Result<()> {
    let file = directory().join("README.md");
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("benches/README.md lacks its marks")?;
    let (_, after) = rest.split_once(END).ok_or("benches/README.md lacks its second mark")?;
    Ok(fs::write(file, format!("{before}{BEGIN}\n\n{tables}\n\n{END}{after}"))?)
}

/// Replaces the plot of the run before.
pub(crate) fn write_plot(svg: &str) -> Result<()> {
    Ok(fs::write(directory().join("growth.svg"), svg)?)
}
