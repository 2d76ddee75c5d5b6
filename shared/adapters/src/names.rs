//! Enums whose variants are the names that a setting accepts.

/// Defines an enum of the names that a setting accepts. `ALL` lists them, `as_str` returns a name, and `FromStr` parses
/// one. A `match` on the enum makes the compiler report every place to change when a name is added.
macro_rules! names {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$about_one:meta])* $one:ident = $text:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$about_one])* $one,)+
        }

        impl $name {
            /// Every name.
            $visibility const ALL: &'static [Self] = &[$(Self::$one),+];

            /// Returns the name as text.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$one => $text,)+
                }
            }

            /// Lists every name as the end of a sentence: "this, that or another".
            fn alternatives() -> String {
                $crate::names::alternatives(&[$($text),+])
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::names::UnknownName;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|name| name.as_str() == text).ok_or($crate::names::UnknownName)
            }
        }
    };
}
pub(crate) use names;

/// The error for a text that is none of the names. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a known name")]
pub struct UnknownName;

/// Joins names as the end of a sentence: "this, that or another".
pub(crate) fn alternatives(words: &[&str]) -> String {
    match words {
        [all_but_last @ .., last] if !all_but_last.is_empty() => format!("{} or {last}", all_but_last.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_as_a_sentence_ends() {
        for (words, sentence) in
            [(&["one"][..], "one"), (&["one", "two"], "one or two"), (&["one", "two", "three"], "one, two or three")]
        {
            assert_eq!(alternatives(words), sentence);
        }
    }
}
