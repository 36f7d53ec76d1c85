//! Decimal numbers that keep their digits where a double would lose them.

use std::fmt;

use crate::model::{Number, Value};

/// `digits` times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    exponent: i32,
}

/// A number is written without an exponent when that adds at most this many zeros.
const MOST_ZEROS: u32 = 30;

impl Decimal {
    pub(super) const fn new(digits: i128, exponent: i32) -> Self {
        Self { digits, exponent }
    }

    /// None beyond 38 digits.
    fn of(number: &Number) -> Option<Self> {
        let literal = number.as_str();
        let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (literal, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        Some(Self { digits, exponent })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let (fine, coarse) =
            if self.exponent <= other.exponent { (self, other) } else { (other, self) };
        let places = u32::try_from(coarse.exponent.checked_sub(fine.exponent)?).ok()?;
        let scaled = coarse.digits.checked_mul(10_i128.checked_pow(places)?)?;
        Some(Self { digits: fine.digits.checked_add(scaled)?, exponent: fine.exponent })
    }

    pub(super) fn to_number(self) -> Number {
        Number::from_checked(&self.to_string())
    }
}

/// A JSON number.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digits, exponent } = *self;
        let places = exponent.unsigned_abs();
        if places > MOST_ZEROS {
            return write!(f, "{digits}e{exponent}");
        }
        match u128::checked_pow(10, places) {
            Some(1) => write!(f, "{digits}"),
            Some(power) if exponent < 0 => {
                let sign = if digits < 0 { "-" } else { "" };
                let (whole, fraction) =
                    (digits.unsigned_abs() / power, digits.unsigned_abs() % power);
                write!(f, "{sign}{whole}.{fraction:0places$}", places = places as usize)
            }
            _ => match i128::checked_pow(10, places).and_then(|power| digits.checked_mul(power)) {
                Some(whole) => write!(f, "{whole}"),
                None => write!(f, "{digits}e{exponent}"),
            },
        }
    }
}

/// The sum to the last digit; beyond 38 digits, as doubles. `None` where that is no number.
pub(super) fn sum(a: &Number, b: &Number) -> Option<Number> {
    let exact = Decimal::of(a).zip(Decimal::of(b)).and_then(|(a, b)| a.plus(b));
    match exact {
        Some(sum) => Some(sum.to_number()),
        None => match Value::from_f64(a.as_f64() + b.as_f64()) {
            Some(Value::Number(sum)) => Some(sum),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(a: &str, b: &str) -> String {
        let sum = sum(&Number::parse(a).unwrap(), &Number::parse(b).unwrap()).unwrap();
        Number::parse(sum.as_str()).unwrap().as_str().to_owned()
    }

    #[test]
    fn sums_have_no_dust_of_binary_fractions() {
        assert_eq!(add("0.1", "0.2"), "0.3");
        assert_eq!(add("20", "1.50"), "21.50");
        assert_eq!(add("-0.5", "0.25"), "-0.25");
        assert_eq!(add("9007199254740993", "1"), "9007199254740994");
        assert_eq!(add("1.5e3", "-1"), "1499");
        assert_eq!(add("1e300", "1"), "1e+300");
    }

    #[test]
    fn every_decimal_is_a_json_number() {
        for (digits, exponent, text) in [
            (27_315, -2, "273.15"),
            (-5, -3, "-0.005"),
            (3, 2, "300"),
            (0, 0, "0"),
            (1, 400, "1e400"),
            (7, -31, "7e-31"),
            (i128::MIN, 30, "-170141183460469231731687303715884105728e30"),
        ] {
            assert_eq!(Decimal::new(digits, exponent).to_string(), text);
            assert!(Number::parse(text).is_ok());
        }
    }
}
