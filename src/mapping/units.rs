//! Units that convert into each other: the symbols of SenML (RFC 8428, section 12.1; RFC 8798,
//! section 3) and the words for others that are in use.

/// A unit in terms of its quantity's own: `own = value * factor + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unit {
    quantity: Quantity,
    factor: f64,
    offset: f64,
}

/// What is measured: units of one quantity convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    Acceleration,
    Angle,
    Charge,
    Concentration,
    Current,
    Data,
    DataRate,
    Energy,
    Flow,
    Frequency,
    Length,
    Level,
    Mass,
    Power,
    ApparentPower,
    ReactivePower,
    ReactiveEnergy,
    Pressure,
    Ratio,
    Speed,
    Temperature,
    Time,
    Voltage,
    Volume,
}

/// What is known of a unit.
pub(super) fn unit(symbol: &str) -> Option<Unit> {
    use Quantity as Q;
    let (quantity, factor, offset) = match symbol {
        "K" => (Q::Temperature, 1.0, 0.0),
        "Cel" => (Q::Temperature, 1.0, 273.15),
        "degF" => (Q::Temperature, 5.0 / 9.0, 459.67 * 5.0 / 9.0),
        "Pa" => (Q::Pressure, 1.0, 0.0),
        "hPa" | "mbar" => (Q::Pressure, 100.0, 0.0),
        "kPa" => (Q::Pressure, 1e3, 0.0),
        "MPa" => (Q::Pressure, 1e6, 0.0),
        "bar" => (Q::Pressure, 1e5, 0.0),
        "atm" => (Q::Pressure, 101_325.0, 0.0),
        "mmHg" => (Q::Pressure, 133.322_387_415, 0.0),
        "inHg" => (Q::Pressure, 3_386.388_640_341, 0.0),
        "psi" => (Q::Pressure, 6_894.757_293_168_361, 0.0),
        "J" | "Ws" => (Q::Energy, 1.0, 0.0),
        "kJ" => (Q::Energy, 1e3, 0.0),
        "MJ" => (Q::Energy, 1e6, 0.0),
        "GJ" => (Q::Energy, 1e9, 0.0),
        "Wh" => (Q::Energy, 3600.0, 0.0),
        "kWh" => (Q::Energy, 3.6e6, 0.0),
        "MWh" => (Q::Energy, 3.6e9, 0.0),
        "mW" => (Q::Power, 1e-3, 0.0),
        "W" => (Q::Power, 1.0, 0.0),
        "kW" => (Q::Power, 1e3, 0.0),
        "MW" => (Q::Power, 1e6, 0.0),
        "hp" => (Q::Power, 745.699_871_582_270_2, 0.0),
        "VA" => (Q::ApparentPower, 1.0, 0.0),
        "kVA" => (Q::ApparentPower, 1e3, 0.0),
        "var" => (Q::ReactivePower, 1.0, 0.0),
        "kvar" => (Q::ReactivePower, 1e3, 0.0),
        "vars" => (Q::ReactiveEnergy, 1.0, 0.0),
        "varh" => (Q::ReactiveEnergy, 3600.0, 0.0),
        "kvarh" => (Q::ReactiveEnergy, 3.6e6, 0.0),
        "mV" => (Q::Voltage, 1e-3, 0.0),
        "V" => (Q::Voltage, 1.0, 0.0),
        "kV" => (Q::Voltage, 1e3, 0.0),
        "mA" => (Q::Current, 1e-3, 0.0),
        "A" => (Q::Current, 1.0, 0.0),
        "C" => (Q::Charge, 1.0, 0.0),
        "mAh" => (Q::Charge, 3.6, 0.0),
        "Ah" => (Q::Charge, 3600.0, 0.0),
        "Hz" => (Q::Frequency, 1.0, 0.0),
        "kHz" => (Q::Frequency, 1e3, 0.0),
        "MHz" => (Q::Frequency, 1e6, 0.0),
        "GHz" => (Q::Frequency, 1e9, 0.0),
        "1/min" | "rpm" => (Q::Frequency, 1.0 / 60.0, 0.0),
        "1/s" => (Q::Frequency, 1.0, 0.0),
        "us" => (Q::Time, 1e-6, 0.0),
        "ms" => (Q::Time, 1e-3, 0.0),
        "s" => (Q::Time, 1.0, 0.0),
        "min" => (Q::Time, 60.0, 0.0),
        "h" => (Q::Time, 3600.0, 0.0),
        "d" => (Q::Time, 86_400.0, 0.0),
        "mm" => (Q::Length, 1e-3, 0.0),
        "cm" => (Q::Length, 1e-2, 0.0),
        "m" => (Q::Length, 1.0, 0.0),
        "km" => (Q::Length, 1e3, 0.0),
        "in" => (Q::Length, 0.0254, 0.0),
        "ft" => (Q::Length, 0.3048, 0.0),
        "yd" => (Q::Length, 0.9144, 0.0),
        "mi" => (Q::Length, 1609.344, 0.0),
        "m/s" => (Q::Speed, 1.0, 0.0),
        "km/h" => (Q::Speed, 1.0 / 3.6, 0.0),
        "m/h" => (Q::Speed, 1.0 / 3600.0, 0.0),
        "mm/h" => (Q::Speed, 1e-3 / 3600.0, 0.0),
        "mph" => (Q::Speed, 0.447_04, 0.0),
        "kn" => (Q::Speed, 1852.0 / 3600.0, 0.0),
        "ft/s" => (Q::Speed, 0.3048, 0.0),
        "m/s2" => (Q::Acceleration, 1.0, 0.0),
        "gn" => (Q::Acceleration, 9.806_65, 0.0),
        "g" => (Q::Mass, 1e-3, 0.0),
        "kg" => (Q::Mass, 1.0, 0.0),
        "t" => (Q::Mass, 1e3, 0.0),
        "lb" => (Q::Mass, 0.453_592_37, 0.0),
        "oz" => (Q::Mass, 0.028_349_523_125, 0.0),
        "ml" => (Q::Volume, 1e-6, 0.0),
        "l" => (Q::Volume, 1e-3, 0.0),
        "m3" => (Q::Volume, 1.0, 0.0),
        "gal" => (Q::Volume, 0.003_785_411_784, 0.0),
        "ft3" => (Q::Volume, 0.028_316_846_592, 0.0),
        "m3/s" => (Q::Flow, 1.0, 0.0),
        "m3/h" => (Q::Flow, 1.0 / 3600.0, 0.0),
        "l/s" => (Q::Flow, 1e-3, 0.0),
        "l/min" => (Q::Flow, 1e-3 / 60.0, 0.0),
        "l/h" => (Q::Flow, 1e-3 / 3600.0, 0.0),
        "/" | "1" => (Q::Ratio, 1.0, 0.0),
        "%" | "/100" => (Q::Ratio, 1e-2, 0.0),
        "/1000" => (Q::Ratio, 1e-3, 0.0),
        "ppm" => (Q::Ratio, 1e-6, 0.0),
        "ppb" => (Q::Ratio, 1e-9, 0.0),
        "rad" => (Q::Angle, 1.0, 0.0),
        "deg" => (Q::Angle, std::f64::consts::PI / 180.0, 0.0),
        "dBW" => (Q::Level, 1.0, 0.0),
        "dBm" => (Q::Level, 1.0, -30.0),
        "kg/m3" => (Q::Concentration, 1.0, 0.0),
        "g/m3" => (Q::Concentration, 1e-3, 0.0),
        "mg/m3" => (Q::Concentration, 1e-6, 0.0),
        "ug/m3" => (Q::Concentration, 1e-9, 0.0),
        "bit" => (Q::Data, 1.0, 0.0),
        "B" => (Q::Data, 8.0, 0.0),
        "KiB" => (Q::Data, 8192.0, 0.0),
        "MB" => (Q::Data, 8e6, 0.0),
        "GB" => (Q::Data, 8e9, 0.0),
        "bit/s" => (Q::DataRate, 1.0, 0.0),
        "B/s" => (Q::DataRate, 8.0, 0.0),
        "Mbit/s" => (Q::DataRate, 1e6, 0.0),
        "MB/s" => (Q::DataRate, 8e6, 0.0),
        _ => return None,
    };
    Some(Unit { quantity, factor, offset })
}

impl Unit {
    /// Whether values in this unit can be said in the other.
    pub(super) fn converts_to(self, other: Self) -> bool {
        self.quantity == other.quantity
    }

    /// A value in this unit, said in the other; and the largest number on the way there, by which
    /// its digits are to be judged.
    pub(super) fn convert(self, value: f64, other: Self) -> (f64, f64) {
        let (product, shift) = (value * self.factor, self.offset - other.offset);
        ((product + shift) / other.factor, product.abs().max(shift.abs()) / other.factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(value: f64, from: &str, to: &str) -> f64 {
        let (from, to) = (unit(from).unwrap(), unit(to).unwrap());
        assert!(from.converts_to(to));
        from.convert(value, to).0
    }

    fn is(value: f64, from: &str, expected: f64, to: &str) {
        let found = converted(value, from, to);
        assert!((found - expected).abs() <= expected.abs() * 1e-12 + 1e-12, "{found} {to}");
    }

    #[test]
    fn quantities_convert_and_come_back() {
        is(70.0, "degF", 21.111_111_111_111_1, "Cel");
        is(21.5, "Cel", 294.65, "K");
        is(-40.0, "Cel", -40.0, "degF");
        is(1013.25, "hPa", 101_325.0, "Pa");
        is(1.0, "bar", 14.503_773_773_020_9, "psi");
        is(3.6e6, "J", 1.0, "kWh");
        is(36.0, "km/h", 10.0, "m/s");
        is(45.0, "%", 0.45, "/");
        is(180.0, "deg", std::f64::consts::PI, "rad");
        is(0.0, "dBm", -30.0, "dBW");
    }

    #[test]
    fn what_is_not_the_same_quantity_does_not_convert() {
        let converts = |from: &str, to: &str| unit(from).unwrap().converts_to(unit(to).unwrap());
        assert!(!converts("Cel", "Pa"));
        assert!(!converts("W", "VA"));
        assert_eq!(unit("furlong"), None);
        assert_eq!(unit("%RH"), None);
    }
}
