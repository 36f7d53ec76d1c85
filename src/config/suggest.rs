//! "Did you mean": the known word that is closest to a mistyped one.

/// The closest of `known`, if it is close enough that the writer may have meant it.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = comparable(word);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &comparable(candidate)), candidate))
        .filter(|(distance, _)| *distance <= word.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean `listen`?`, or nothing.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map_or_else(String::new, |close| format!("; did you mean `{close}`?"))
}

/// A transposition counts once: `prot` for `port` is one slip of the fingers.
fn distance(word: &str, candidate: &str) -> usize {
    strsim::damerau_levenshtein(word, candidate)
}

fn comparable(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["listen", "allow_anonymous", "cors_origins"];
        assert_eq!(closest("lisen", known), Some("listen"));
        assert_eq!(closest("Allow-Anonymous", known), Some("allow_anonymous"));
        assert_eq!(closest("cors_origin", known), Some("cors_origins"));
        assert_eq!(closest("port", known), None);
    }
}
