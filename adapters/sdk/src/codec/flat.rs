//! Reads the JSON that most messages are, in one pass: a number, a word, a text, or one flat
//! object of these. All else, and all that is not JSON, is left to the general parser.

use memchr::memchr2;
use smol_str::SmolStr;

use super::{Leaves, Limits, is_plain_name};
use crate::model::{Number, Value};

/// Hands out what the text says. None when it is not that simple; then what was handed out is void.
pub(super) fn read(text: &str, limits: &Limits, out: &mut impl Leaves) -> Option<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_space();
    if scanner.peek() == Some(b'{') {
        scanner.object(limits, out)?;
    } else {
        out.whole(scanner.value()?);
    }
    scanner.skip_space();
    scanner.peek().is_none().then_some(())
}

/// A place in a text. What it reads is of the grammar of RFC 8259.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn object(&mut self, limits: &Limits, out: &mut impl Leaves) -> Option<()> {
        self.eat(b'{').filter(|()| limits.depth > 0)?;
        for _ in 0..limits.leaves {
            self.skip_space();
            let name = self.quoted()?;
            if name.len() > limits.name_bytes || !is_plain_name(name) {
                return None;
            }
            self.skip_space();
            self.eat(b':')?;
            self.skip_space();
            out.leaf(name, self.value()?);
            self.skip_space();
            if self.eat(b',').is_none() {
                return self.eat(b'}');
            }
        }
        None
    }

    fn value(&mut self) -> Option<Value> {
        match self.peek()? {
            b'"' => Some(Value::Text(SmolStr::new(self.quoted()?))),
            b't' => self.word("true", Value::Boolean(true)),
            b'f' => self.word("false", Value::Boolean(false)),
            b'n' => self.word("null", Value::Null),
            _ => Some(Value::Number(Number::from_checked(self.number()?))),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        let is_there = self.rest().starts_with(word.as_bytes());
        self.at += word.len();
        is_there.then_some(value)
    }

    /// A text without escapes.
    fn quoted(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let end = memchr2(b'"', b'\\', self.rest())?;
        let text = self.take(end);
        self.eat(b'"')?;
        // Without a way out at the first, so that many bytes are looked at in one go.
        let controls = text.bytes().fold(false, |found, byte| found | (byte < b' '));
        (!controls).then_some(text)
    }

    fn number(&mut self) -> Option<&'a str> {
        let bytes = self.rest();
        let is = |at: usize, wanted: &[u8]| bytes.get(at).is_some_and(|byte| wanted.contains(byte));
        // Where the digits that begin here end; there has to be one.
        let digits = |from: usize| {
            let count = bytes.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (count > 0).then_some(from + count)
        };
        let mut end = usize::from(is(0, b"-"));
        end = if is(end, b"0") { end + 1 } else { digits(end)? };
        if is(end, b".") {
            end = digits(end + 1)?;
        }
        if is(end, b"eE") {
            end = digits(end + 1 + usize::from(is(end + 1, b"+-")))?;
        }
        Some(self.take(end))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there.then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let start = self.at;
        self.at += bytes;
        &self.text[start..self.at]
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    /// What was handed out, in the order in which it was.
    #[derive(Debug, Default, PartialEq)]
    struct Seen(Vec<(String, Value)>);

    impl Leaves for Seen {
        fn leaf(&mut self, path: &str, value: Value) {
            self.0.push((path.to_owned(), value));
        }
        fn whole(&mut self, value: Value) {
            self.0 = vec![(String::new(), value)];
        }
        fn restart(&mut self) {
            self.0.clear();
        }
    }

    const LIMITS: Limits = Limits { depth: 3, leaves: 4, name_bytes: 8 };

    fn agrees_with_the_general_parser(text: &str) -> bool {
        let mut flat = Seen::default();
        if read(text, &LIMITS, &mut flat).is_none() {
            return false;
        }
        let mut general = Seen::default();
        let walked = json::walk(text, &LIMITS, &mut general);
        assert!(matches!(walked, Ok(Ok(()))), "the general parser does not take {text:?}");
        assert_eq!(flat, general, "{text:?}");
        true
    }

    const SIMPLE: [&str; 6] = [
        r#"{"temp":21.50,"on":true,"off":false,"none":null}"#,
        " { \"a\" : -0.5e+10 ,\n\t\"b\" : \"ü \x7f/'\" }\r\n",
        "-12E3",
        r#" "open" "#,
        "true",
        "0",
    ];

    #[test]
    fn what_is_simple_is_read_as_the_general_parser_reads_it() {
        for text in SIMPLE {
            assert!(agrees_with_the_general_parser(text), "{text}");
        }
    }

    #[test]
    fn nothing_is_taken_that_the_general_parser_does_not_take() {
        let disturbances = "{}[]\":,\\.-+eE09a \n\0\u{1f}\u{7f}ütn";
        for text in SIMPLE {
            for (at, whole) in text.char_indices() {
                for other in disturbances.chars() {
                    let (before, after) = text.split_at(at);
                    let rest = &after[whole.len_utf8()..];
                    agrees_with_the_general_parser(&format!("{before}{other}{rest}"));
                    agrees_with_the_general_parser(&format!("{before}{other}{after}"));
                }
                agrees_with_the_general_parser(&text[..at]);
            }
        }
    }

    #[test]
    fn what_is_not_so_simple_is_left_to_the_general_parser() {
        for text in [
            "",
            " ",
            "{}",
            r#"{"a":{"b":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":"\n"}"#,
            r#"{"":1}"#,
            r#"{"..":1}"#,
            "{\"a\u{85}\":1}",
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{"a":1}x"#,
            r#"{"too_long_":1}"#,
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1}"#,
            "NaN",
        ] {
            assert!(read(text, &LIMITS, &mut Seen::default()).is_none(), "{text}");
        }
    }
}
