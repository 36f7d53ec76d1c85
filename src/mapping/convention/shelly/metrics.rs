//! Units by the names that Shelly's documentation gives to what is measured.

/// The SenML symbol of the unit of a value of the second generation or later, by its last keys:
/// `apower`, `aenergy.total`, `a_act_power`.
pub(super) fn unit(kind: &str, leaf: &str) -> Option<&'static str> {
    let last = leaf.rsplit('.').next().unwrap_or(leaf);
    // Meters of three phases: `a_voltage`, `total_act_power`.
    let plain = ["a_", "b_", "c_", "n_", "total_"]
        .iter()
        .find_map(|phase| last.strip_prefix(phase))
        .unwrap_or(last);
    Some(match (kind, plain) {
        (_, "apower" | "act_power" | "power") => "W",
        (_, "aprt_power" | "aprtpower") => "VA",
        (_, "voltage" | "V") => "V",
        (_, "current") => "A",
        (_, "freq") => "Hz",
        (_, "pf") => "/",
        (_, "act_energy" | "act_ret_energy" | "act" | "act_ret") => "Wh",
        (_, "total") if leaf.contains("energy") => "Wh",
        (_, "tC" | "target_C" | "current_C") => "Cel",
        (_, "rh") => "%RH",
        (_, "lux") => "lx",
        (_, "rssi") => "dBm",
        (_, "percent" | "brightness" | "current_pos" | "target_pos" | "pos") => "%",
        ("sys", "uptime") => "s",
        ("sys", "ram_size" | "ram_free" | "fs_size" | "fs_free") => "B",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_fields_have_units() {
        for (kind, leaf, expected) in [
            ("switch", "apower", Some("W")),
            ("switch", "aenergy.total", Some("Wh")),
            ("switch", "temperature.tC", Some("Cel")),
            ("em", "a_act_power", Some("W")),
            ("em", "total_current", Some("A")),
            ("emdata", "total_act", Some("Wh")),
            ("devicepower", "battery.V", Some("V")),
            ("devicepower", "battery.percent", Some("%")),
            ("humidity", "rh", Some("%RH")),
            ("switch", "output", None),
            ("script", "uptime", None),
        ] {
            assert_eq!(unit(kind, leaf), expected, "{kind} {leaf}");
        }
    }
}
