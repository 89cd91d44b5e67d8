//! What somebody may have meant who wrote a word that is not there.

/// How alike two words are at least, from 0 to 1; clap asks for as much of its options.
const ALIKE: f64 = 0.7;

/// The name that is most like `word`; `None` if no name is close.
pub(crate) fn among<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_ascii_lowercase();
    let alike = names.into_iter().map(|name| (strsim::jaro_winkler(&word, name), name));
    let best = alike.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 > ALIKE).then_some(best.1)
}

/// The message of a TOML error; for an unknown key with the key that was probably meant.
pub(crate) fn of_toml(error: &toml::de::Error) -> String {
    let message = error.message();
    // serde: unknown field `x`, expected one of `a`, `b`
    let mut names = message.split('`').skip(1).step_by(2);
    let meant = match names.next().filter(|_| message.starts_with("unknown field")) {
        Some(word) => among(word, names),
        None => None,
    };
    meant.map_or_else(|| message.to_owned(), |meant| format!("{message}; did you mean {meant}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_found_and_nothing_else() {
        let names = ["no-signature", "no-policy", "expired", "content-mismatch", "revoked"];
        for (word, meant) in [
            ("nosig", Some("no-signature")),
            ("no-signatur", Some("no-signature")),
            ("NO-SIGNATURE", Some("no-signature")),
            ("expird", Some("expired")),
            ("content-missmatch", Some("content-mismatch")),
            ("", None),
            ("xyz", None),
        ] {
            assert_eq!(among(word, names), meant, "{word}");
        }
    }

    #[test]
    fn an_unknown_key_gets_the_one_that_was_meant() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only the names are needed")]
        struct Keys {
            address: Option<u8>,
            host_key: Option<u8>,
        }
        let said = |text: &str| of_toml(&toml::from_str::<Keys>(text).unwrap_err());
        assert!(said("adress = 1").ends_with("did you mean address?"));
        assert!(said("hostkey = 1").ends_with("did you mean host_key?"));
        assert!(!said("colour = 1").contains("did you mean"));
        assert!(!said("address = true").contains("did you mean"));
    }
}
