//! Units as devices and people write them, as the symbols of SenML (RFC 8428, section 12.1, with
//! the secondary units of RFC 8798; <https://www.iana.org/assignments/senml>).

/// The symbols that stand for themselves. `C` (coulomb) and `F` (farad) are not among them: devices
/// that write these mean temperatures.
const SYMBOLS: &[&str] = &[
    "m", "kg", "g", "s", "A", "K", "cd", "mol", "Hz", "rad", "sr", "N", "Pa", "J", "W", "V", "Ohm",
    "S", "Wb", "T", "H", "Cel", "lm", "lx", "Bq", "Gy", "Sv", "kat", "m2", "m3", "l", "m/s",
    "m/s2", "m3/s", "l/s", "W/m2", "cd/m2", "bit", "bit/s", "lat", "lon", "pH", "dB", "dBW",
    "Bspl", "count", "/", "%", "%RH", "%EL", "EL", "1/s", "1/min", "beat/min", "beats", "S/m", "B",
    "VA", "VAs", "var", "vars", "J/m", "kg/m3", "deg", "NTU", "ms", "min", "h", "MHz", "kW", "kVA",
    "kvar", "Ah", "Wh", "kWh", "varh", "kvarh", "kVAh", "Wh/km", "KiB", "GB", "Mbit/s", "B/s",
    "MB/s", "mV", "mA", "dBm", "ug/m3", "mm/h", "m/h", "ppm", "/100", "/1000", "hPa", "mm", "cm",
    "km", "km/h", "ppb", "ppt", "VAh", "mg/l", "ug/l", "g/l",
];

/// Other spellings, as they are; then words, in small letters.
const SPELLINGS: &[(&str, &str)] = &[
    ("°C", "Cel"),
    ("℃", "Cel"),
    ("C", "Cel"),
    ("°", "deg"),
    ("Ω", "Ohm"),
    ("Ω", "Ohm"),
    ("VAr", "var"),
    ("VAR", "var"),
    ("kVAr", "kvar"),
    ("kVAR", "kvar"),
    ("varH", "varh"),
    ("kvarH", "kvarh"),
    ("KWh", "kWh"),
    ("KWH", "kWh"),
    ("kwh", "kWh"),
    ("L", "l"),
    ("L/s", "l/s"),
    ("mg/L", "mg/l"),
    ("ug/L", "ug/l"),
    ("g/L", "g/l"),
    ("mbar", "hPa"),
    ("% RH", "%RH"),
    ("dBA", "dB"),
    ("dB(A)", "dB"),
    ("mm/hr", "mm/h"),
    ("kph", "km/h"),
    ("kmh", "km/h"),
    ("Mbps", "Mbit/s"),
    ("bps", "bit/s"),
    ("bpm", "beat/min"),
    ("rpm", "1/min"),
    ("RPM", "1/min"),
];

const WORDS: &[(&str, &str)] = &[
    ("celsius", "Cel"),
    ("degree celsius", "Cel"),
    ("degrees celsius", "Cel"),
    ("kelvin", "K"),
    ("percent", "%"),
    ("volt", "V"),
    ("volts", "V"),
    ("amp", "A"),
    ("amps", "A"),
    ("ampere", "A"),
    ("watt", "W"),
    ("watts", "W"),
    ("ohms", "Ohm"),
    ("ohm", "Ohm"),
    ("lux", "lx"),
    ("sec", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("milliseconds", "ms"),
    ("mins", "min"),
    ("minute", "min"),
    ("minutes", "min"),
    ("hour", "h"),
    ("hours", "h"),
    ("degree", "deg"),
    ("degrees", "deg"),
    ("ph", "pH"),
];

/// The SenML symbol of a unit: `°C` → `Cel`, `W/m²` → `W/m2`. `None` where SenML has no symbol for
/// it (`°F`, `d`, `kPa`): the text is then the best there is.
pub(super) fn senml(text: &str) -> Option<&'static str> {
    let plain = plain(text);
    let symbol = SYMBOLS.iter().find(|symbol| **symbol == plain).copied();
    let among = |table: &[(&str, &'static str)], text: &str| {
        table.iter().find(|(spelling, _)| *spelling == text).map(|(_, symbol)| *symbol)
    };
    symbol
        .or_else(|| among(SPELLINGS, &plain))
        .or_else(|| among(WORDS, &plain.to_ascii_lowercase()))
}

/// Without superscripts, and with the `u` that SenML writes for both micro signs.
fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| match c {
            '²' => '2',
            '³' => '3',
            'µ' | 'μ' => 'u',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_spell_units_in_many_ways() {
        for (text, symbol) in [
            ("°C", Some("Cel")),
            (" C ", Some("Cel")),
            ("celsius", Some("Cel")),
            ("W/m²", Some("W/m2")),
            ("m³", Some("m3")),
            ("µg/m³", Some("ug/m3")),
            ("μg/m³", Some("ug/m3")),
            ("kWh", Some("kWh")),
            ("lx", Some("lx")),
            ("Lux", Some("lx")),
            ("mbar", Some("hPa")),
            ("%", Some("%")),
            ("°F", None),
            ("F", None),
            ("mW", None),
            ("", None),
        ] {
            assert_eq!(senml(text), symbol, "{text}");
        }
    }
}
